// SPDX-License-Identifier: Apache-2.0
export interface MadeCells {
  instances: number;
  blocks: number;
  weight: Float64Array;
  value: Float64Array;
  quantum: number;
}
export interface Service {
  instances: number;
  windows: number;
  samples: number;
  blocks: number;
  wave?: number;
  drift?: number;
  own?: number;
  bursts?: number;
}
export function random(seed: number): () => number;
export function normal(next: () => number): number;
export function shares(functions: number, first: number[]): Float64Array;
export function side(cost: Float64Array, service: Service, next: () => number): MadeCells;
