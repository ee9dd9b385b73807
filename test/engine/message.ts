// SPDX-License-Identifier: Apache-2.0
// Protobuf by hand, to write what no encoder would.

export function varint(value: bigint | number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

const tag = (field: number, wire: number) => varint((BigInt(field) << 3n) | BigInt(wire));

/** A field of wire type 0. */
export const number = (field: number, value: bigint | number): number[] => [
  ...tag(field, 0),
  ...varint(value),
];

/** A field of wire type 2. */
export function bytes(field: number, content: string | number[]): number[] {
  const data = typeof content === 'string' ? [...Buffer.from(content)] : content;
  return [...tag(field, 2), ...varint(data.length), ...data];
}

export const packed = (field: number, values: (bigint | number)[]): number[] =>
  bytes(field, values.flatMap(varint));

/** Fields that profile.proto does not have, of every wire type, with a group in a group. */
export const unknown = (field: number): number[] => [
  ...number(field, -1),
  ...[...tag(field + 1, 1), 1, 2, 3, 4, 5, 6, 7, 8],
  ...bytes(field + 2, 'unknown'),
  ...[
    ...tag(field + 3, 3),
    ...number(1, 5),
    ...tag(2, 3),
    ...bytes(1, 'x'),
    ...tag(2, 4),
    ...tag(field + 3, 4),
  ],
  ...[...tag(field + 4, 5), 1, 2, 3, 4],
];

/** The parts of a small valid message: one type, one sample of one location with one line. */
export const parts = {
  strings: (...strings: string[]): number[] => ['', ...strings].flatMap(s => bytes(6, s)),
  sampleType: (type: number, unit: number): number[] => bytes(1, [...number(1, type), ...number(2, unit)]),
  sample: (locations: (bigint | number)[], values: (bigint | number)[], ...labels: number[][]): number[] =>
    bytes(2, [...packed(1, locations), ...packed(2, values), ...labels.flatMap(label => bytes(3, label))]),
  location: (id: bigint | number, ...rest: number[][]): number[] =>
    bytes(4, [...number(1, id), ...rest.flat()]),
  line: (functionId: bigint | number, line: bigint | number): number[] =>
    bytes(4, [...number(1, functionId), ...number(2, line)]),
  function: (id: bigint | number, name: number): number[] => bytes(5, [...number(1, id), ...number(2, name)]),
  mapping: (id: bigint | number, ...rest: number[][]): number[] =>
    bytes(3, [...number(1, id), ...rest.flat()]),
};

export const small = (): Uint8Array =>
  Uint8Array.from([
    ...parts.strings('cpu', 'nanoseconds', 'main', 'pid'),
    ...parts.sampleType(1, 2),
    ...parts.sample([7], [10], [...number(1, 4), ...number(3, 42)]),
    ...parts.location(7, parts.line(9, 12)),
    ...parts.function(9, 3),
  ]);
