//! All metrics of one map by one function.

use hsets_pipeline::{
    Better, Explainer, Measured, Method, Metric, MetricReport, MetricSettings, Settings, Subject,
    attribution::Normalisation,
    core::{
        ChannelReduction, Error, Image, Photo, Randomisable, SaliencyMap, Scored, Shape, Silent,
        Target, TwiceDifferentiable, analytic::Polynomial,
    },
    measure,
    metrics::{Aopc, Ties, Units, gini, road},
    segmentation::Grid,
};

const SHAPE: Shape = Shape::new(3, 8, 8);

/// Class 0 sees the upper left quarter of the first channel, class 1 nothing.
fn field() -> Polynomial {
    let quarter = |i: &usize| i % 8 < 4 && i / 8 < 4;
    let terms = (0..64).filter(quarter).map(|i| (0.5, vec![i])).collect();
    Polynomial::new(SHAPE, vec![terms, vec![]])
}

fn image() -> Image {
    Image::new(SHAPE, (0..SHAPE.len()).map(|i| 1.0 + 0.1 * (i as f32).sin()).collect()).unwrap()
}

fn measured(map: &SaliencyMap, settings: &MetricSettings) -> Result<MetricReport, Error> {
    let (field, image) = (field(), image());
    let normalisation = Normalisation::identity(3);
    let target = &Target::Top;
    let normalisation = &normalisation;
    let mask: Vec<bool> = (0..64).map(|i| i % 8 < 4 && i / 8 < 4).collect();
    let mask = Some(&mask[..]);
    let of = Measured { field: &field, image: &image, normalisation, target, mask };
    measure(&of, map, settings, &Silent)
}

/// The gradient × input of class 0: what a perfect map looks like.
fn truth() -> SaliencyMap {
    let image = image();
    let quarter = |i: usize| i < 64 && i % 8 < 4 && i / 8 < 4;
    let value = |i: usize| if quarter(i) { 0.5 * image.data()[i] } else { 0.0 };
    SaliencyMap::new(SHAPE, (0..SHAPE.len()).map(value).collect()).unwrap()
}

#[test]
fn readings_are_those_of_the_metrics() {
    let settings = MetricSettings::paper();
    let report = measured(&truth(), &settings).unwrap();
    assert_eq!(report.class, 0);
    assert_eq!(report.reading("gini"), Some(gini(&truth(), ChannelReduction::AbsSum).unwrap()));
    assert_eq!(report.reading("coverage"), Some(0.25));
    assert_eq!(report.reading("gini-of-equal"), Some(0.75));
    let alone = road(&field(), &image(), &truth(), 0, &settings.road, &Silent).unwrap();
    for aopc in Aopc::ALL {
        assert_eq!(report.reading(&format!("road-{}", aopc.name())), Some(aopc.of(&alone)));
    }
    // Linear without a constant: gradient × input is complete and predicts every drop.
    assert!(report.reading("completeness-gap").unwrap().abs() < 1e-5);
    assert!(report.reading("infidelity").unwrap() < 1e-9);
    assert_eq!(report.notes, Vec::<String>::new());
}

#[test]
fn the_true_map_beats_its_opposite() {
    let settings = MetricSettings::paper();
    let good = measured(&truth(), &settings).unwrap();
    let mut opposite = truth();
    opposite.data_mut().iter_mut().for_each(|value| *value = f32::from(u8::from(*value == 0.0)));
    let bad = measured(&opposite, &settings).unwrap();
    for name in ["road-lerf-minus-morf-probability", "insertion-auc"] {
        assert!(good.reading(name) > bad.reading(name), "{name}");
    }
    for name in ["deletion-auc", "infidelity"] {
        assert!(good.reading(name) < bad.reading(name), "{name}");
    }
}

#[test]
fn only_what_is_asked_for_is_measured() {
    let metrics = vec![Metric::Gini, Metric::MaxSensitivity];
    let report = measured(&truth(), &MetricSettings { metrics, ..MetricSettings::paper() });
    let report = report.unwrap();
    let names: Vec<&str> = report.readings.iter().map(|reading| &reading.name[..]).collect();
    assert_eq!(names, ["coverage", "gini", "gini-of-equal", "max-sensitivity"]);
    assert!(report.reading("max-sensitivity").unwrap().is_nan());
    assert!(report.notes[0].contains("max-sensitivity needs the method"));
    assert!(report.readings.iter().all(|reading| reading.better != Better::Zero));
}

#[test]
fn settings_are_checked_and_seeded() {
    let wrong = MetricSettings { curve_steps: 0, ..MetricSettings::paper() };
    let error = measured(&truth(), &wrong).unwrap_err().to_string();
    assert_eq!(error, "curve-steps = 0: at least 1");
    let other = SaliencyMap::zeros(Shape::new(3, 4, 4));
    assert!(matches!(measured(&other, &MetricSettings::paper()), Err(Error::Shape { .. })));
    let seeded = MetricSettings::paper().with_seed(7);
    assert_eq!((seeded.road.ties, seeded.road.seed), (Ties::Seeded(7), 7));
    assert_eq!(measured(&truth(), &seeded).unwrap(), measured(&truth(), &seeded).unwrap());
    for &metric in Metric::ALL {
        assert_eq!(metric.name().parse::<Metric>().unwrap(), metric);
    }
    assert!("roar".parse::<Metric>().unwrap_err().to_string().contains("insertion-deletion"));
}

#[test]
fn explainers_measure_their_own_explanations() {
    let (field, image) = (field(), image());
    let photo = Photo::new(8, 8, vec![128; 192]).unwrap();
    let normalisation = Normalisation::identity(3);
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let segmenter = Grid { rows: 2, columns: 2 };
    let explainer = Explainer::new(&field, &subject, &segmenter, &Silent).unwrap();
    let metrics = MetricSettings { metrics: Metric::ALL.to_vec(), ..MetricSettings::paper() };
    let names = metrics.reading_names();
    let report = |method| {
        let settings = Settings { method, ..Settings::paper() };
        let explanation = explainer.explain(&settings, &Silent).unwrap();
        let report = explainer.measure(&explanation, &settings, &metrics, &Silent).unwrap();
        let found: Vec<&str> = report.readings.iter().map(|reading| &reading.name[..]).collect();
        assert_eq!(found, names);
        report
    };
    assert_eq!(Method::Gradient.units(), Units::PerInput);
    // The gradient of a linear class is the same everywhere, and its product with the change of the
    // image is the change of the class.
    let gradient = report(Method::Gradient);
    assert!(
        gradient.reading("max-sensitivity").unwrap() < 1e-6
            && gradient.reading("infidelity").unwrap() < 1e-9
    );
    assert!(
        gradient.reading("completeness-gap").unwrap().is_nan()
            && gradient.notes[0].contains("units of the output")
    );
    let ig = report(Method::Ig);
    assert!(ig.reading("max-sensitivity").unwrap() > 1e-3);
    assert!(ig.reading("completeness-gap").unwrap().abs() < 1e-3);
    assert_eq!(field.n_classes(), 2);
}

/// A network of two layers: its class 0 weighs pixels, and loses the weights.
struct Forgetful;

impl Randomisable for Forgetful {
    fn n_layers(&self) -> usize {
        2
    }

    fn randomised(&self, n: usize, seed: u64) -> Result<Box<dyn TwiceDifferentiable>, Error> {
        let weight = |i: usize| {
            let random = ((i as u64 * 7919 + 31 * seed) % 101) as f64 / 50.0 - 1.0;
            let trained = if i < 64 { i as f64 / 32.0 } else { 0.0 };
            let share = n as f64 / 2.0;
            (1.0 - share) * trained + share * random
        };
        let terms = (0..SHAPE.len()).map(|i| (weight(i), vec![i])).collect();
        Ok(Box::new(Polynomial::new(SHAPE, vec![terms, vec![]])))
    }
}

#[test]
fn random_weights_change_a_gradient_but_not_a_control() {
    let (image, photo) = (image(), Photo::new(8, 8, vec![128; 192]).unwrap());
    let normalisation = Normalisation::identity(3);
    let subject = Subject { image: &image, photo: &photo, normalisation: &normalisation };
    let trained = Forgetful.randomised(0, 0).unwrap();
    let segmenter = Grid { rows: 4, columns: 2 };
    let mask: Vec<bool> = (0..64).map(|i| i >= 32).collect();
    let explainer = Explainer::new(trained.as_ref(), &subject, &segmenter, &Silent).unwrap();
    let explainer = explainer.known(Some(&mask), Some(&Forgetful));
    let metrics = vec![Metric::Mprt, Metric::Emprt, Metric::Stability, Metric::Mask];
    let metrics = MetricSettings { metrics, ..MetricSettings::paper() }.with_seed(3);
    let report = |method| {
        let settings = Settings { method, ..Settings::paper() };
        let explanation = explainer.explain(&settings, &Silent).unwrap();
        explainer.measure(&explanation, &settings, &metrics, &Silent).unwrap()
    };
    let gradient = report(Method::Gradient);
    let of = |name: &str| gradient.reading(name).unwrap();
    assert!(gradient.notes.is_empty(), "{:?}", gradient.notes);
    assert!(of("mprt-last") < 0.4 && of("mprt-average") > of("mprt-last"));
    assert_eq!(gradient.curves[0].points.len(), 2);
    assert_eq!(gradient.curves[0].points[1].0, 100.0);
    // A linear class has the same gradient everywhere.
    assert!((of("stability-jpeg-correlation") - 1.0).abs() < 1e-9);
    assert!((of("stability-noise-overlap") - 1.0).abs() < 1e-9);
    assert!(of("mask-precision") > 0.9 && of("mask-precision-of-chance") == 0.5);
    assert!(of("mask-earth-mover") > of("mask-earth-mover-of-uniform"));
    // What knows nothing of the network cannot lose anything: why stability alone means nothing.
    let area = report(Method::SegmentsByCentre);
    assert!((area.reading("mprt-average").unwrap() - 1.0).abs() < 1e-9);
    assert!(area.reading("emprt").unwrap().abs() < 1e-9);
    assert!((area.reading("stability-jpeg-correlation").unwrap() - 1.0).abs() < 1e-9);
}
