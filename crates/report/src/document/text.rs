//! Text with a little emphasis.

use maud::{Markup, html};

/// A run of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// As it is.
    Plain(String),
    /// Important.
    Strong(String),
    /// As it is typed.
    Code(String),
    /// A link.
    Link {
        /// What is shown.
        text: String,
        /// Where it leads.
        address: String,
    },
}

/// Runs of text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Vec<Span>);

impl Text {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Followed by plain text.
    #[must_use]
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Span::Plain(text.into()))
    }

    /// Followed by something important.
    #[must_use]
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Span::Strong(text.into()))
    }

    /// Followed by something as it is typed.
    #[must_use]
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Span::Code(text.into()))
    }

    /// Followed by a link.
    #[must_use]
    pub fn link(self, text: impl Into<String>, address: impl Into<String>) -> Self {
        self.with(Span::Link { text: text.into(), address: address.into() })
    }

    fn with(mut self, span: Span) -> Self {
        self.0.push(span);
        self
    }

    /// The words alone.
    pub fn words(&self) -> String {
        let words = |span: &Span| match span {
            Span::Plain(text) | Span::Strong(text) | Span::Code(text) | Span::Link { text, .. } => {
                text.clone()
            }
        };
        self.0.iter().map(words).collect()
    }

    pub(super) fn html(&self) -> Markup {
        html! {
            @for span in &self.0 {
                @match span {
                    Span::Plain(text) => (text),
                    Span::Strong(text) => strong { (text) },
                    Span::Code(text) => code { (text) },
                    Span::Link { text, address } => a href=(address) { (text) },
                }
            }
        }
    }

    pub(super) fn markdown(&self) -> String {
        let markdown = |span: &Span| match span {
            Span::Plain(text) => super::markdown::escape(text),
            Span::Strong(text) => format!("**{}**", super::markdown::escape(text)),
            Span::Code(text) => super::markdown::code(text),
            Span::Link { text, address } => {
                let address = address.replace(' ', "%20").replace(')', "%29");
                format!("[{}]({address})", super::markdown::escape(text))
            }
        };
        self.0.iter().map(markdown).collect()
    }

    pub(super) fn latex(&self) -> String {
        let latex = |span: &Span| match span {
            Span::Plain(text) | Span::Link { text, .. } => super::latex::escape(text),
            Span::Strong(text) => format!("\\textbf{{{}}}", super::latex::escape(text)),
            Span::Code(text) => format!("\\texttt{{{}}}", super::latex::escape(text)),
        };
        self.0.iter().map(latex).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::default() } else { Self::default().plain(text) }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}
