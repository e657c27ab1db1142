//! The network that is trained, whole or its last layer.

use hsets_pipeline::{
    core::{Error, TwiceDifferentiable},
    models::{Classifier, Device, LoadOptions},
};
use hsets_training::{Graph, head, initial_values, values_of};

use super::{TrainArgs, data::Data};
use crate::{args::General, progress::Bars};

/// A network with room for the logits of a training.
pub(super) struct Subject {
    pub(super) classifier: Classifier,
    /// The whole network with as many logits as are trained.
    pub(super) whole: Graph,
    /// What is trained: the whole network, or its last layer on features.
    pub(super) graph: Graph,
    is_head: bool,
    starts_anew: bool,
    keeps_head: bool,
}

impl Subject {
    pub(super) fn load(args: &TrainArgs, general: &General, data: &Data) -> anyhow::Result<Self> {
        // The labels are the dataset's.
        let options = LoadOptions { labels: None, ..args.model.load_options() };
        let n_logits = data.groups().iter().sum();
        let classifier = match (&args.model.model, args.scratch) {
            (Some(name), true) => Classifier::untrained(name.parse()?, n_logits, &options)?,
            _ => Classifier::load(&options, &Bars::new(general.quiet, String::new()))?,
        };
        if args.keep_head && !classifier.labels().names().eq(data.labels.iter()) {
            let expected = "weights whose labels are the classes of the dataset, in their order";
            return Err(Error::config("keep-head", "true", expected).into());
        }
        let whole = classifier.graph_for(n_logits)?;
        let graph = if args.head_only {
            let features = features(classifier.graph())?;
            let last = &whole.nodes()[whole.output().index()].name;
            head(features.n_classes(), last, n_logits)?
        } else {
            whole.clone()
        };
        Ok(Self {
            classifier,
            whole,
            graph,
            is_head: args.head_only,
            starts_anew: args.scratch,
            keeps_head: args.keep_head,
        })
    }

    /// The numbers training starts from.
    pub(super) fn first_values(&self, seed: u64) -> anyhow::Result<Vec<Vec<f32>>> {
        let random = initial_values(&self.graph, seed);
        if self.starts_anew {
            return Ok(random);
        }
        let trained = values_of(self.classifier.weights(), &self.graph)?;
        let last = &self.graph.nodes()[self.graph.output().index()].name;
        let names = self.graph.parameters().iter().map(|parameter| &parameter.name);
        let values = names.zip(random).zip(trained).map(|((name, random), trained)| {
            let is_new = name.starts_with(&format!("{last}.")) && !self.keeps_head;
            trained.filter(|_| !is_new).unwrap_or(random)
        });
        Ok(values.collect())
    }

    /// The frozen network that gives the features, if only the last layer is trained.
    pub(super) fn features(
        &self,
        device: Device,
    ) -> anyhow::Result<Option<Box<dyn TwiceDifferentiable>>> {
        if !self.is_head {
            return Ok(None);
        }
        let features = features(self.classifier.graph())?;
        Ok(Some(device.bind(&features, self.classifier.weights(), None)?))
    }

    /// The numbers of the whole network, from those that are trained.
    pub(super) fn whole_values(&self, values: &[Vec<f32>]) -> anyhow::Result<Vec<Vec<f32>>> {
        if !self.is_head {
            return Ok(values.to_vec());
        }
        let trained = |name: &str| {
            let at = self.graph.parameters().iter().position(|parameter| parameter.name == name);
            at.map(|at| values[at].clone())
        };
        let frozen = values_of(self.classifier.weights(), &self.whole)?;
        let both = self.whole.parameters().iter().zip(frozen);
        let values = both.map(|(parameter, frozen)| trained(&parameter.name).or(frozen));
        let values: Option<Vec<_>> = values.collect();
        values.ok_or_else(|| anyhow::anyhow!("the weights lack a tensor of the network"))
    }
}

fn features(graph: &Graph) -> anyhow::Result<Graph> {
    let expected = "a network that ends in a fully connected layer";
    Ok(graph.features().ok_or_else(|| Error::config("head-only", "true", expected))?)
}
