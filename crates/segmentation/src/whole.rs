//! No segmentation.

use hsets_core::{Photo, Result, SegmentMap, Segmenter};

/// One segment that covers the whole photo: the method without a spatial prior.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole;

impl Segmenter for Whole {
    fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
        SegmentMap::whole(photo.width(), photo.height())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_one_segment() {
        let map = Whole.segment(&Photo::new(3, 2, vec![9; 18]).unwrap()).unwrap();
        assert_eq!(map.areas(), [6]);
    }
}
