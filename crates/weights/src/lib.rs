//! Weight files of any program: `.safetensors`, one file or sharded, and `PyTorch` checkpoints, both
//! the zip files of today and what came before them.
//!
//! [`TensorFile::read`] lists what is in a file and reads nothing of it yet; [`TensorFile::state_dict`]
//! finds the network's tensors among everything a training script may have saved beside them;
//! [`TensorFile::tensor`] reads one. Nothing in a file is run. No size that a file claims is believed:
//! reading allocates at most 16 times the size of the file, and 64 MiB.

mod budget;
mod checkpoint;
mod digest;
mod error;
mod file;
mod foreign;
mod pickle;
mod safetensors;
mod state_dict;

pub use digest::Digest;
pub use error::{Error, Result};
pub use file::TensorFile;
pub use hsets_files::hexadecimal;
pub use state_dict::StateDict;
