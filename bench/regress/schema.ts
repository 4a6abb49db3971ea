/** The part of JSON Schema (2020-12) that the configuration needs, and its check: every fault on a line, with its place. */

export interface Schema {
  $schema?: string;
  $id?: string;
  title?: string;
  description?: string;
  type: 'object' | 'array' | 'string' | 'integer' | 'number';
  properties?: Record<string, Schema>;
  required?: readonly string[];
  additionalProperties?: false;
  minProperties?: number;
  items?: Schema;
  minItems?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  default?: unknown;
}

/** @returns faults, as `cases[0].threads: must be ...`; empty for what the schema allows */
export function schemaFaults(value: unknown, schema: Schema, place = ''): string[] {
  const fault = (text: string): string[] => [`${place === '' ? 'the whole' : place}: ${text}`];
  if (!isOfType(value, schema.type)) {
    return fault(`must be ${/^[aio]/.test(schema.type) ? 'an' : 'a'} ${schema.type}`);
  }
  if (typeof value === 'number') {
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
    return value < minimum || value > maximum ? fault(`must be from ${minimum} to ${maximum}`) : [];
  }
  if (typeof value === 'string') {
    return schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)
      ? fault(`must match ${schema.pattern}`)
      : [];
  }
  if (Array.isArray(value)) {
    return [
      ...(value.length < (schema.minItems ?? 0) ? fault(`needs at least ${schema.minItems}`) : []),
      ...value.flatMap((item, i) => schemaFaults(item, schema.items!, `${place}[${i}]`)),
    ];
  }
  const entries = Object.entries(value as object);
  const { properties = {}, required = [] } = schema;
  const at = (name: string): string => (place === '' ? name : `${place}.${name}`);
  return [
    ...required.filter((name) => !(name in (value as object))).map((name) => `${at(name)}: is missing`),
    ...(entries.length < (schema.minProperties ?? 0) ? fault(`needs at least ${schema.minProperties}`) : []),
    ...entries.flatMap(([name, item]) =>
      Object.hasOwn(properties, name) ? schemaFaults(item, properties[name]!, at(name)) : [`${at(name)}: is unknown`],
    ),
  ];
}

function isOfType(value: unknown, type: Schema['type']): boolean {
  switch (type) {
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    default:
      return typeof value === 'string';
  }
}
