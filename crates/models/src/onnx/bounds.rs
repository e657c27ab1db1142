//! Checks lengths in an ONNX file before it is decoded: the decoder allocates what a length says.

/// Nested messages deeper than this are no network: graphs within attributes of nodes.
const MAX_DEPTH: usize = 32;

/// The messages of an ONNX file that hold others.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    SequenceType,
    Shape,
    /// Holds numbers and strings only.
    Leaf,
}

impl Message {
    /// What a field holds, by its number in `onnx.proto`, if it is a message.
    fn field(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Self::Leaf,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph | Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            (Self::ValueInfo, 2) | (Self::SequenceType, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::SequenceType,
            (Self::TensorType, 2) => Self::Shape,
            _ => return None,
        })
    }

    /// Whether a field holds packed numbers of any number of bytes: `int32_data` and `int64_data`. The
    /// decoder never comes back from one of ten bytes that goes on.
    fn packs(self, number: u64) -> bool {
        matches!((self, number), (Self::Tensor, 5 | 7))
    }
}

/// Fails unless every length fits into what holds it, and every number ends.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    message(bytes, Message::Model, 0)
}

fn message(mut bytes: &[u8], kind: Message, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("not a network: messages are nested more than {MAX_DEPTH} deep"));
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                let field = take(&mut bytes, length)?;
                if let Some(kind) = kind.field(tag >> 3) {
                    message(field, kind, depth + 1)?;
                } else if kind.packs(tag >> 3) {
                    let mut numbers = field;
                    while !numbers.is_empty() {
                        varint(&mut numbers)?;
                    }
                }
            }
            5 => drop(take(&mut bytes, 4)?),
            _ => return Err("not an ONNX file, or damaged".into()),
        }
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], n: u64) -> Result<&'a [u8], String> {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let (taken, rest) = bytes.split_at_checked(n).ok_or_else(|| {
        format!("truncated or no ONNX file: {n} bytes are declared where {} are left", bytes.len())
    })?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("not an ONNX file, or damaged".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_fit() {
        // graph (7) of 3 bytes: a node (1) of 1 byte.
        assert!(check(&[0x3a, 3, 0x0a, 1, 0]).is_err(), "a node of one byte is cut");
        assert!(check(&[0x3a, 2, 0x0a, 0]).is_ok());
        let terabytes = [0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
        let error = check(&terabytes).unwrap_err();
        assert!(error.contains("4398046511104 bytes are declared where 0 are left"), "{error}");
        assert!(check(&[0x3a]).is_err() && check(&[]).is_err() && check(b"not onnx").is_err());
    }

    #[test]
    fn packed_numbers_end() {
        // graph (7): a tensor (5): int64_data (7) of 11 bytes, none of which is the last of a number.
        let mut file = vec![0x3a, 15, 0x2a, 13, 0x3a, 11];
        file.extend([0xff; 11]);
        assert!(check(&file).is_err());
        file[16] = 1;
        file[15] = 1;
        assert!(check(&file).is_ok(), "a number of ten bytes and one of one");
    }

    #[test]
    fn graphs_within_graphs_end() {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            for tag in [0x32, 0x2a, 0x0a] {
                let length = bytes.len();
                let low = (length & 0x7f) as u8 | 0x80;
                bytes.splice(0..0, [tag, low, (length >> 7) as u8]);
            }
        }
        let length = bytes.len();
        let mut file = vec![0x3a, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        file.extend(bytes);
        assert!(check(&file).unwrap_err().contains("nested"));
    }
}
