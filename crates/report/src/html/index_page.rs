//! The pages of many pictures, each behind its thumbnail.

use maud::{Markup, html};

use super::{png_uri, shell};
use crate::{Result, draw::Canvas};

/// Pixels that thumbnails keep of their longer side, at least, where there are as many.
const THUMBNAIL: usize = 144;

/// A picture with a page of its own.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// Address of its page, seen from the index.
    pub address: String,
    /// Its name.
    pub name: String,
    /// What was explained: the class.
    pub target: String,
    /// What was found, in a few words; may be empty.
    pub verdict: String,
    thumbnail: Vec<u8>,
    size: (usize, usize),
}

impl IndexEntry {
    /// With what was found.
    #[must_use]
    pub fn found(self, verdict: impl Into<String>) -> Self {
        Self { verdict: verdict.into(), ..self }
    }

    /// `picture`, the photo with its map, is kept as a thumbnail.
    pub fn new(address: String, name: String, target: String, picture: &Canvas) -> Result<Self> {
        let small = picture.shrunk(THUMBNAIL);
        let size = (small.width(), small.height());
        let verdict = String::new();
        Ok(Self { address, name, target, verdict, thumbnail: small.png()?, size })
    }

    fn html(&self) -> Markup {
        let (width, height) = self.size;
        html! {
            li {
                a href=(self.address) {
                    img src=(png_uri(&self.thumbnail)) width=(width) height=(height)
                        alt="Thumbnail";
                    " " strong { (self.name) } " " span.soft { (self.target) }
                    @if !self.verdict.is_empty() { " " span.found { (self.verdict) } }
                }
            }
        }
    }
}

/// A page of links to the pages of `entries`, in their order.
pub fn index_page(title: &str, subtitle: &str, entries: &[IndexEntry]) -> String {
    let body = html! {
        header { h1 { (title) } p.subtitle { (subtitle) } }
        main {
            nav aria-label=(title) {
                ol.gallery { @for entry in entries { (entry.html()) } }
            }
        }
    };
    shell(title, &body)
}
