//! The Python package `hsets`: networks, explanations, metrics and segments as numpy users expect.
//!
//! Nothing is computed here. Arguments become the types of `pipeline`, results become arrays.

mod arrays;
mod errors;
mod explanation;
mod game;
mod interaction;
mod load;
mod metrics;
mod network;
mod run;
mod segment;
mod settings;

use pyo3::prelude::*;

#[pymodule]
fn _hsets(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<network::Network>()?;
    module.add_class::<network::Prediction>()?;
    module.add_class::<explanation::Explanation>()?;
    module.add_class::<explanation::InteractionSet>()?;
    module.add_class::<interaction::Interaction>()?;
    module.add_class::<game::Game>()?;
    module.add_class::<settings::Settings>()?;
    module.add_function(wrap_pyfunction!(load::bundled, module)?)?;
    module.add_function(wrap_pyfunction!(load::load, module)?)?;
    module.add_function(wrap_pyfunction!(load::load_onnx, module)?)?;
    module.add_function(wrap_pyfunction!(load::model_names, module)?)?;
    module.add_function(wrap_pyfunction!(segment::segmented, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::gini, module)?)?;
    module.add_function(wrap_pyfunction!(metrics::measure, module)?)?;
    module.add_function(wrap_pyfunction!(settings::methods, module)?)?;
    module.add_function(wrap_pyfunction!(run::set_threads, module)?)?;
    Ok(())
}
