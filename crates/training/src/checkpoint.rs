//! States as `.safetensors`: the parameters under their names, what the optimiser keeps of each
//! under `optimizer.KIND.NAME`, and the counters as strings of the metadata.

use std::collections::BTreeMap;
use std::path::Path;

use hsets_autodiff::Graph;
use safetensors::SafeTensors;

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
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| broken(&e.to_string()))?;
        let strings: BTreeMap<&str, &str> = header
            .metadata()
            .iter()
            .flatten()
            .map(|(key, text)| (key.as_str(), text.as_str()))
            .collect();
        let string = |key: &str| strings.get(key).copied().ok_or_else(|| broken("lacks counters"));
        same_job(file, string("job")?, job)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| broken(&e.to_string()))?;
        let numbers = |name: &str, len: usize| {
            let view = tensors.tensor(name).ok().filter(|view| view.data().len() == 4 * len);
            let bytes = view.ok_or_else(|| broken(&format!("lacks {name}")))?.data();
            let (words, _) = bytes.as_chunks::<4>();
            Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect::<Vec<f32>>())
        };
        let mut state = Self::new(Vec::new());
        state.memories.clear();
        for parameter in graph.parameters() {
            let len = parameter.shape.iter().product();
            state.values.push(numbers(&parameter.name, len)?);
            let names = optimizer.memories().iter().map(|kind| memory_name(kind, &parameter.name));
            let there = names.filter(|name| tensors.tensor(name).is_ok());
            state.memories.push(there.map(|name| numbers(&name, len)).collect::<Result<_>>()?);
        }
        let counters = || broken("has broken counters");
        state.step = string("step")?.parse().map_err(|_| counters())?;
        let running: Option<Vec<f64>> =
            string("running")?.split(' ').map(|number| number.parse().ok()).collect();
        state.running = running.and_then(|r| r.try_into().ok()).ok_or_else(counters)?;
        state.history = from_csv(string("history")?).ok_or_else(counters)?;
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
