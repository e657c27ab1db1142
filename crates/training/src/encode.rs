//! `.safetensors` files whose bytes depend on their content only.
//!
//! The format: 8 bytes with the length of the header, the header as JSON (dtype, shape and place of
//! each tensor, strings under `__metadata__`), the numbers. The `safetensors` crate writes the
//! strings in the order of a hash map, which differs from run to run; here they are sorted.

use std::collections::BTreeMap;

use serde_json::json;

/// A tensor to be written: name, shape, numbers.
pub(crate) type Tensor<'a> = (String, &'a [usize], &'a [f32]);

/// The bytes of a file.
pub(crate) fn encode(tensors: &[Tensor<'_>], strings: &BTreeMap<String, String>) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!(strings));
    let mut end = 0;
    for (name, shape, numbers) in tensors {
        let start = end;
        end += size_of_val(*numbers);
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut header);
    bytes.reserve(end);
    for (_, _, numbers) in tensors {
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn the_safetensors_crate_reads_it() {
        let strings = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".into(), "1".into())]);
        let bytes =
            encode(&[("w".into(), &[1, 2], &[0.5, -2.0]), ("v".into(), &[0], &[])], &strings);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("w").unwrap().data(), [0, 0, 0, 63, 0, 0, 0, 192]);
        assert_eq!(file.tensor("w").unwrap().shape(), [1, 2]);
        assert!(file.tensor("v").unwrap().data().is_empty());
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["b"], "2");
    }
}
