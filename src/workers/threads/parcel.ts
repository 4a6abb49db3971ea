/**
 * The task of a thread, wrapped for its way there.
 *
 * Deno searches whatever a thread receives for ports: it lists every word of a typed array, which takes seconds, and fails for
 * large tables ("Invalid array length"). It does not look into a Map. Node and Bun pass both on alike.
 */

export type Parcel<Task> = ReadonlyMap<'task', Task>;

export function packed<Task>(task: Task): Parcel<Task> {
  return new Map([['task', task]]);
}

export function unpacked<Task>(parcel: Parcel<Task>): Task {
  return parcel.get('task')!;
}
