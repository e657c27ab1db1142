//! The classifier of a command: loading, inputs, names of classes.

use std::path::{Path, PathBuf};

use hsets_pipeline::{
    attribution::Normalisation,
    core::{Error, Photo, Target, TwiceDifferentiable},
    models::{self, Classifier, LoadOptions, Prepared, mask_file},
    normalisation,
};
use hsets_report::{ModelRecord, described};

use crate::{
    args::{General, ModelArgs, TargetArgs},
    output,
    progress::Bars,
};

/// The bundled model: ResNet-20 that plays rock, paper, scissors.
const BUNDLED: &[u8] = include_bytes!("../../../fixtures/bundled/model.safetensors");

/// The bundled control: a network that adds what it sees in small patches, by construction, trained
/// on the scenes of `additive`.
const CONTROL: &[u8] = include_bytes!("../../../fixtures/truth/additive-bag-0.safetensors");

/// What `--model` calls the bundled model.
pub(crate) const BUNDLED_NAME: &str = "bundled";

/// A classifier and where it came from.
pub(crate) struct Network {
    classifier: Classifier,
    /// Where the weights came from.
    origin: String,
}

impl Network {
    /// The network for these inputs (none where they are not known yet): tensors among them tell
    /// the size it sees, unless that was typed.
    pub(crate) fn load<'i>(
        args: &ModelArgs,
        general: &General,
        inputs: impl IntoIterator<Item = &'i PathBuf>,
    ) -> anyhow::Result<Self> {
        let typed = args.load_options();
        let options = LoadOptions {
            input_size: typed.input_size.or_else(|| tensor_size(inputs)),
            device: general.device.into(),
            memory: general.memory.map(|memory| memory.0),
            ..typed
        };
        if args.model.as_deref() == Some(BUNDLED_NAME) && args.weights.is_none() {
            return Self::bundled(&options);
        }
        let bars = Bars::new(general.quiet, String::new());
        let classifier = Classifier::load(&options, &bars)?;
        let is_file = classifier.architecture().is_none();
        let origin = match (&args.weights, &args.model) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(path)) if is_file => path.clone(),
            (None, Some(model)) => format!("hub:{model}"),
            (None, None) => String::new(),
        };
        if !general.quiet {
            classifier.notes().iter().for_each(|note| output::complain(&format!("note: {note}")));
        }
        Ok(Self { classifier, origin })
    }

    /// The network of the demo.
    pub(crate) fn bundled(options: &LoadOptions) -> anyhow::Result<Self> {
        Self::from_bytes(BUNDLED, BUNDLED_NAME, options)
    }

    /// In which nothing interacts.
    pub(crate) fn control() -> anyhow::Result<Self> {
        Self::from_bytes(CONTROL, "control", &LoadOptions::default())
    }

    fn from_bytes(bytes: &[u8], origin: &str, options: &LoadOptions) -> anyhow::Result<Self> {
        let name = format!("the network '{origin}'");
        let classifier = Classifier::from_bytes(bytes, Path::new(&name), options)?;
        Ok(Self { classifier, origin: origin.into() })
    }

    pub(crate) fn into_classifier(self) -> Classifier {
        self.classifier
    }

    pub(crate) fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    pub(crate) fn field(&self) -> &dyn TwiceDifferentiable {
        self.classifier.field()
    }

    pub(crate) fn read(&self, input: &Path) -> Result<Prepared, models::Error> {
        self.classifier.read(input)
    }

    /// Where the evidence of a picture is, if the user knows.
    pub(crate) fn mask(
        &self,
        place: Option<&Path>,
        picture: &Path,
    ) -> Result<Option<Vec<bool>>, models::Error> {
        place.map(|place| self.classifier.read_mask(&mask_file(place, picture)?)).transpose()
    }

    pub(crate) fn prepare(&self, photo: &Photo) -> Result<Prepared, Error> {
        self.classifier.preprocessing().prepare(photo)
    }

    /// Shorter side of what the network sees.
    pub(crate) fn side(&self) -> usize {
        let shape = self.classifier.shape();
        shape.height.min(shape.width)
    }

    pub(crate) fn normalisation(&self) -> Normalisation {
        normalisation(self.classifier.preprocessing())
    }

    /// Name of the architecture, or of the file.
    pub(crate) fn name(&self) -> &str {
        self.classifier.name()
    }

    pub(crate) fn label(&self, class: usize) -> String {
        self.classifier.labels().name(class).to_owned()
    }

    pub(crate) fn record(&self) -> ModelRecord {
        ModelRecord::new(&self.classifier, &self.origin)
    }

    /// The target as typed: nothing, an index, a label, `logprob:` or `logodds:` and one of these, or
    /// the difference of two.
    pub(crate) fn target(&self, args: &TargetArgs) -> Result<Target, models::Error> {
        let find = |text: &str| self.classifier.labels().find(text);
        let Some(typed) = &args.target else { return Ok(Target::Top) };
        if let Some(against) = &args.against {
            return Ok(Target::Difference { class: find(typed)?, against: find(against)? });
        }
        self.classifier.scalar(typed)
    }

    /// The target for people; `logits` tell which class [`Target::Top`] is.
    pub(crate) fn described(&self, target: &Target, logits: &[f32]) -> String {
        described(target, logits, &|class| self.label(class))
    }
}

/// (height, width) of the first input that is a tensor and can be read; what is wrong with the
/// others shows when they are.
fn tensor_size<'i>(inputs: impl IntoIterator<Item = &'i PathBuf>) -> Option<[usize; 2]> {
    let is_tensor = |input: &&PathBuf| {
        input.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"))
    };
    inputs.into_iter().filter(is_tensor).find_map(|input| models::tensor_size(input).ok())
}

/// Fails if the network gave something that is not a number.
pub(crate) fn check_finite(logits: &[f32]) -> Result<(), Error> {
    if logits.iter().all(|logit| logit.is_finite()) {
        return Ok(());
    }
    Err(Error::NotFinite {
        what: "the network's output".into(),
        hint: "check the weights for NaN and infinity, and the input's normalisation".into(),
    })
}
