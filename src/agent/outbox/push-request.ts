// SPDX-License-Identifier: Apache-2.0
// Writes the request of push.v1.PusherService/Push, which is four small messages:
//   PushRequest { repeated RawProfileSeries series = 1; }
//   RawProfileSeries { repeated LabelPair labels = 1; repeated RawSample samples = 2; }
//   LabelPair { string name = 1; string value = 2; }
//   RawSample { bytes raw_profile = 1; string ID = 2; }
import type { Labels } from '../../profile/types.js';

export interface PushSeries {
  /** With `__name__`. */
  labels: Labels;
  /** Chosen once: what is sent again under the same id is stored once. */
  id: string;
  /** Not compressed: the request is, as a whole. */
  pprof: Uint8Array;
}

/** Every field here is length-delimited (wire type 2), and every field number is below 16: its tag is one byte. */
function field(number: number, ...content: Uint8Array[]): Uint8Array[] {
  let rest = content.reduce((sum, part) => sum + part.length, 0);
  const head = [(number << 3) | 2];
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) head.push((rest % 0x80) | 0x80);
  head.push(rest);
  return [Uint8Array.from(head), ...content];
}

const text = (value: string) => Buffer.from(value, 'utf8');

/** Bytes of one PushRequest. */
export function encodePushRequest(series: readonly PushSeries[]): Buffer {
  return Buffer.concat(
    series.flatMap(({ labels, id, pprof }) => {
      const pairs = Object.entries(labels)
        .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
        .flatMap(([name, value]) => field(1, ...field(1, text(name)), ...field(2, text(value))));
      return field(1, ...pairs, ...field(2, ...field(1, pprof), ...field(2, text(id))));
    }),
  );
}
