/**
 * What an expression of the sources is, while the module is compiled.
 *
 *   int     a 32-bit number or a boolean, known when the module runs. `ref` makes it, and may be used once
 *   local   a variable of the function; each use makes a new `ref`
 *   const   a number, boolean, null or undefined that is known now
 *   object  an object that exists before the module runs, by its path from an argument of the root: `tracker.table`
 *   array   a typed array by its path; `base` is the variable with its address, if it has one
 *   record  an object of constants: `ConnWord`
 *   function, void
 */

export const VOID = { kind: 'void' };
export const TYPED_ARRAYS = {
  Words: 'i32',
  Int32Array: 'i32',
  Float64Array: 'f64',
  Uint8Array: 'u8',
};

export function int(ref, isUnsigned = false) {
  return { kind: 'int', ref, isUnsigned };
}

export function constant(value) {
  return { kind: 'const', value };
}

/** Of a value that is known now: what distinguishes functions that are compiled for it. undefined: known at run time */
export function staticKey(value) {
  switch (value.kind) {
    case 'object':
    case 'array':
      return value.path;
    case 'const':
      return typeof value.value === 'number' ? undefined : String(value.value);
    default:
      return undefined;
  }
}
