//! States as `.safetensors`: the parameters under their names, what the optimiser keeps of each
//! under `optimizer.KIND.NAME`, and the counters as strings of the metadata.

use std::path::Path;

use candle_core::DType;
use hsets_autodiff::Graph;
use hsets_weights::TensorFile;

use crate::encode::{Tensor, encode};
use crate::history::{from_csv, to_csv};
use crate::{Error, Optimizer, Result, State};

impl State {
    /// The bytes of a checkpoint. `job` says what is trained and how, one line for each thing; a
    /// checkpoint only goes on with the same.
    pub fn to_bytes(&self, graph: &Graph, optimizer: Optimizer, job: &str) -> Vec<u8> {
        let mut tensors: Vec<Tensor<'_>> = Vec::new();
        for (at, parameter) in graph.parameters().iter().enumerate() {
            tensors.push((parameter.name.clone(), &parameter.shape, &self.values[at]));
            for (kind, memory) in optimizer.memories().iter().zip(&self.memories[at]) {
                let name = memory_name(kind, &parameter.name);
                tensors.push((name, &parameter.shape, memory));
            }
        }
        let running: Vec<String> = self.running.iter().map(f64::to_string).collect();
        let strings = [
            ("job", job.to_owned()),
            ("step", self.step.to_string()),
            ("running", running.join(" ")),
            ("history", to_csv(&self.history)),
        ];
        encode(&tensors, &strings.map(|(key, text)| (key.to_owned(), text)).into())
    }

    /// Reads a checkpoint; `file` stands for it in errors.
    pub fn from_bytes(
        file: &Path,
        bytes: &[u8],
        graph: &Graph,
        optimizer: Optimizer,
        job: &str,
    ) -> Result<Self> {
        let broken = |problem: &str| {
            Error::file(file, format!("{problem}: this is no checkpoint of this training"))
        };
        let tensors = TensorFile::from_bytes(file, bytes.to_vec());
        let tensors = tensors.map_err(|error| broken(&error.to_string()))?;
        let strings = tensors.metadata();
        let string = |key: &str| {
            strings.get(key).map(String::as_str).ok_or_else(|| broken("lacks counters"))
        };
        same_job(file, string("job")?, job)?;
        let numbers = |name: &str, shape: &[usize]| {
            let tensor = tensors.tensor(name).ok().filter(|tensor| tensor.dims() == shape);
            let values = tensor.and_then(|tensor| {
                tensor.to_dtype(DType::F32).ok()?.flatten_all().ok()?.to_vec1::<f32>().ok()
            });
            let values = values.ok_or_else(|| broken(&format!("lacks {name}")))?;
            if values.iter().all(|value| value.is_finite()) {
                return Ok(values);
            }
            Err(broken(&format!("has a number in {name} that is not finite")))
        };
        let mut state = Self::new(Vec::new());
        state.memories.clear();
        for parameter in graph.parameters() {
            let shape = &parameter.shape;
            state.values.push(numbers(&parameter.name, shape)?);
            let names = optimizer.memories().iter().map(|kind| memory_name(kind, &parameter.name));
            let there = names.filter(|name| tensors.shape(name).is_some());
            state.memories.push(there.map(|name| numbers(&name, shape)).collect::<Result<_>>()?);
        }
        let counters = || broken("has broken counters");
        state.step = string("step")?.parse().map_err(|_| counters())?;
        let running: Option<Vec<f64>> =
            string("running")?.split(' ').map(|number| number.parse().ok()).collect();
        state.running = running.and_then(|r| r.try_into().ok()).ok_or_else(counters)?;
        state.history = from_csv(string("history")?).ok_or_else(counters)?;
        if !state.is_possible() {
            return Err(counters());
        }
        Ok(state)
    }
}

fn memory_name(kind: &str, name: &str) -> String {
    format!("optimizer.{kind}.{name}")
}

/// Fails where a line of the job differs, and says which.
fn same_job(file: &Path, found: &str, asked: &str) -> Result<()> {
    if found == asked {
        return Ok(());
    }
    let mut lines = found.lines().zip(asked.lines());
    let (was, is) = lines.find(|(was, is)| was != is).unwrap_or(("more lines", "fewer lines"));
    let problem = format!(
        "belongs to a training with {was}, not {is}: give the same options, or another folder"
    );
    Err(Error::file(file, problem))
}
