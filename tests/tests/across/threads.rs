//! The same result on any number of threads, bit for bit, by every method: of a small network.

use hsets_autodiff::{Cpu, Network, Weights};
use hsets_core::{Image, Photo, Shape, Silent};
use hsets_models::{Architecture, GraphOptions};
use hsets_pipeline::{
    Explainer, Method, Settings, Subject,
    attribution::{
        Normalisation, Samples, Steps,
        methods::{CasoNoise, Solver},
    },
    segmentation::Grid,
};
use rayon::ThreadPoolBuilder;

const SHAPE: Shape = Shape::new(3, 24, 24);

/// Less of everything; what is random stays random.
fn settings(method: Method) -> Settings {
    let mut settings = Settings { method, ..Settings::paper() }.with_seed(5);
    settings.detection.n_sets = 2;
    settings.detection.max_features = 30;
    settings.detection.max_rows = Some(4);
    settings.attribution.steps = Steps::Fixed(6);
    settings.attribution.samples = Samples::Fixed(6);
    settings.ig.steps = Steps::Fixed(6);
    settings.smooth_grad.n_samples = 6;
    settings.caso.power_steps = 2;
    settings.caso.solver = Solver::Proximal { iterations: 3, learning_rate: 0.05 };
    settings.caso.noise = Some(CasoNoise { n_samples: 2, spread: 0.1, own_class: false });
    settings.moxi.order.grid = 3;
    settings.xrai.path.steps = Steps::Fixed(6);
    settings.contrasts.regions.proposals.n_pairs = 2;
    settings.contrasts.regions.trials.contexts = 4;
    settings.contrasts.regions.trials.first_contexts = 2;
    settings.contrasts.regions.trials.reference_contexts = 2;
    settings.contrasts.banzhaf.coalitions = 16;
    settings
}

/// Bits of the map and of the scores.
fn bits(field: &Network<Cpu<f32>>, method: Method) -> (Vec<u32>, Vec<u64>) {
    let pixel = |feature: usize| ((feature * 37 + feature / 24 * 11) % 256) as u8;
    let photo = Photo::new(24, 24, (0..SHAPE.len()).map(pixel).collect()).unwrap();
    let value = |feature: usize| f32::from(pixel(feature * 5 + 3)) / 64.0 - 2.0;
    let image = Image::new(SHAPE, (0..SHAPE.len()).map(value).collect()).unwrap();
    let normalisation = Normalisation::identity(3);
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let segmenter = Grid { rows: 3, columns: 4 };
    let explainer = Explainer::new(field, &subject, &segmenter, &Silent).unwrap();
    let found = explainer.explain(&settings(method), &Silent).unwrap();
    let map = found.map.data().iter().map(|value| value.to_bits()).collect();
    let scores = found.sets.iter().flat_map(|set| [set.score, set.standard_error]);
    (map, scores.map(f64::to_bits).collect())
}

#[test]
fn every_method_gives_the_same_on_any_number_of_threads() {
    let architecture: Architecture = "resnet20".parse().unwrap();
    let graph = architecture.graph(&GraphOptions::new(SHAPE, 5)).unwrap();
    let field = Network::new(&graph, &Weights::random(&graph, 0).unwrap()).unwrap();
    for &method in Method::ALL {
        let on = |n: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| bits(&field, method))
        };
        let one = on(1);
        assert!(one.0.iter().any(|bits| *bits != 0), "{method}: the map is all zeros");
        for threads in [2, 4, 7] {
            assert_eq!(on(threads), one, "{method} on {threads} threads");
        }
    }
}
