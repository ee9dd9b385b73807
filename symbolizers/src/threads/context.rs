// SPDX-License-Identifier: Apache-2.0
//! The process context (OTEP 4719): a header of 32 bytes that names a protobuf message, which says in which form a
//! process publishes what its threads work on.

use crate::memory::Memory;

const SIGNATURE: &[u8; 8] = b"OTEL_CTX";
const VERSION: u32 = 2;
const MAX_PAYLOAD: u32 = 64 << 10;
const SCHEMA: &[u8] = b"threadlocal.schema_version";
/// The record of OTEP 4947 behind the variable of its first version, while in the making and after.
const SCHEMAS: [&[u8]; 2] = [b"tlsdesc_v1", b"tls_v1"];

/// Whether the context says that threads have what is read here.
pub fn publishes(memory: &Memory, address: u64) -> bool {
    read(memory, address).is_some_and(|payload| has_schema(&payload))
}

/// The message; None while it is being written.
fn read(memory: &Memory, address: u64) -> Option<Vec<u8>> {
    let at = |offset| address.checked_add(offset);
    if memory.bytes(address, 8)? != SIGNATURE || memory.u32(at(8)?)? != VERSION {
        return None;
    }
    let published = memory.u64(at(16)?)?;
    let size = memory.u32(at(12)?)?;
    if published == 0 || size > MAX_PAYLOAD {
        return None;
    }
    let payload = memory.bytes(memory.u64(at(24)?)?, size as usize)?;
    memory.forget();
    (memory.u64(at(16)?)? == published).then_some(payload)
}

/// `ProcessContext.attributes` (2) are `KeyValue`s: key (1) and value (2), whose `string_value` is 1.
fn has_schema(payload: &[u8]) -> bool {
    let schema = |attribute| {
        let parts = fields(attribute)?;
        let text = part(&fields(part(&parts, 2)?)?, 1)?;
        Some(part(&parts, 1)? == SCHEMA && SCHEMAS.iter().any(|schema| is_version(text, schema)))
    };
    let attributes = fields(payload).unwrap_or_default().into_iter().filter(|(number, _)| *number == 2);
    attributes.filter_map(|(_, attribute)| schema(attribute)).any(|is_ours| is_ours)
}

fn part<'a>(parts: &[(u64, &'a [u8])], wanted: u64) -> Option<&'a [u8]> {
    parts.iter().find(|(number, _)| *number == wanted).map(|(_, bytes)| *bytes)
}

/// `tls_v1`, also as `tls_v1_dev`; not `tls_v12`.
fn is_version(text: &[u8], schema: &[u8]) -> bool {
    text.strip_prefix(schema).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'_'))
}

/// Number and content of the fields of a protobuf message that have bytes, without the others; None if it is none.
fn fields(mut rest: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (bytes, after) = rest.split_at_checked(length)?;
        rest = after;
        if tag >> 3 == 0 {
            return None;
        }
        if tag & 7 == 2 {
            fields.push((tag >> 3, bytes));
        }
    }
    Some(fields)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn context(key: &[u8], value: &[u8]) -> Vec<u8> {
        let resource = field(1, &field(1, b"not an attribute"));
        let attribute = [field(1, key), field(2, &field(1, value))].concat();
        [resource, field(2, b""), field(2, &attribute)].concat()
    }

    #[test]
    fn the_schema_says_whether_it_is_ours() {
        assert!(has_schema(&context(SCHEMA, b"tls_v1")));
        assert!(has_schema(&context(SCHEMA, b"tlsdesc_v1_dev")));
        assert!(!has_schema(&context(SCHEMA, b"tls_v12")));
        assert!(!has_schema(&context(SCHEMA, b"go_pprof_labels_v1")));
        assert!(!has_schema(&context(b"service.name", b"tls_v1")));
        assert!(!has_schema(b""));
    }

    #[test]
    fn damage_is_no_schema() {
        let whole = context(SCHEMA, b"tls_v1");
        for length in 0..whole.len() {
            assert!(!has_schema(&whole[..length]));
        }
        assert!(!has_schema(&[0xff; 64]));
        assert!(!has_schema(&[whole.clone(), vec![0; 30]].concat()));
        assert!(!has_schema(&[whole, vec![0x12, 0x7f]].concat()));
        assert!(!has_schema(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]));
    }
}
