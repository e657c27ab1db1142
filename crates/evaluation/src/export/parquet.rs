//! Rows as a Parquet file: one column for each of ours, texts in dictionaries.

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    basic::{ConvertedType, Repetition, Type as Physical},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::Type,
};

use super::{Field, columns, fields};
use crate::{Error, Result, Results};

/// Rows that are held at a time.
const ROWS_PER_GROUP: usize = 65_536;

/// The fields of many rows, column by column.
#[derive(Clone)]
enum Column {
    Texts(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
}

pub(super) fn write(results: &Results, out: &Path, file: &File, timings: bool) -> Result<()> {
    let failed = |error: ParquetError| Error::io(out, std::io::Error::other(error));
    let names = columns(results, timings);
    let empty = empty(results, timings);
    let schema = schema(&names, &empty).map_err(failed)?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
    let mut group = empty.clone();
    let mut n_rows = 0;
    results.for_each_row(|row, timing| {
        for (column, field) in group.iter_mut().zip(fields(row, timing, timings)) {
            column.push(field);
        }
        n_rows += 1;
        if n_rows % ROWS_PER_GROUP == 0 {
            let full = std::mem::replace(&mut group, empty.clone());
            return write_group(&mut writer, &full).map_err(failed);
        }
        Ok(())
    })?;
    if n_rows % ROWS_PER_GROUP != 0 {
        write_group(&mut writer, &group).map_err(failed)?;
    }
    writer.close().map(drop).map_err(failed)
}

/// The columns without rows; an unmade row tells their types.
fn empty(results: &Results, timings: bool) -> Vec<Column> {
    let row = crate::Row {
        model: String::new(),
        image: String::new(),
        method: String::new(),
        run: 0,
        seed: 0,
        class: 0,
        explained: None,
        failure: None,
        n_sets: 0,
        work: crate::Work::default(),
        settings_hash: String::new(),
        weights_hash: String::new(),
        code_version: String::new(),
        metrics: vec![None; results.plan().metrics.len()],
    };
    let column = |field| match field {
        Field::Text(_) => Column::Texts(Vec::new()),
        Field::Integer(_) => Column::Integers(Vec::new()),
        Field::Real(_) => Column::Reals(Vec::new()),
    };
    fields(row, None, timings).into_iter().map(column).collect()
}

impl Column {
    fn push(&mut self, field: Field) {
        match (self, field) {
            (Self::Texts(texts), Field::Text(text)) => texts.push(text),
            (Self::Integers(numbers), Field::Integer(number)) => numbers.push(number),
            (Self::Reals(numbers), Field::Real(number)) => numbers.push(number),
            // All rows have the same fields.
            _ => {}
        }
    }

    fn physical(&self) -> (Physical, ConvertedType) {
        match self {
            Self::Texts(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
            Self::Integers(_) => (Physical::INT64, ConvertedType::NONE),
            Self::Reals(_) => (Physical::DOUBLE, ConvertedType::NONE),
        }
    }

    fn write(&self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Self::Texts(texts) => {
                let (levels, texts) = present(texts, |text| ByteArray::from(text.as_str()));
                writer.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
            }
            Self::Integers(numbers) => {
                let (levels, numbers) = present(numbers, |&number| number);
                writer.typed::<Int64Type>().write_batch(&numbers, Some(&levels), None)?;
            }
            Self::Reals(numbers) => {
                let (levels, numbers) = present(numbers, |&number| number);
                writer.typed::<DoubleType>().write_batch(&numbers, Some(&levels), None)?;
            }
        }
        Ok(())
    }
}

/// Whether each value is there, and those that are.
fn present<T, U>(values: &[Option<T>], convert: impl Fn(&T) -> U) -> (Vec<i16>, Vec<U>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (levels, values.iter().flatten().map(convert).collect())
}

fn schema(names: &[String], columns: &[Column]) -> Result<Arc<Type>, ParquetError> {
    let field = |(name, column): (&String, &Column)| {
        let (physical, converted) = column.physical();
        let builder = Type::primitive_type_builder(name, physical);
        let builder = builder.with_repetition(Repetition::OPTIONAL);
        Ok(Arc::new(builder.with_converted_type(converted).build()?))
    };
    let fields: Result<_, ParquetError> = names.iter().zip(columns).map(field).collect();
    Ok(Arc::new(Type::group_type_builder("results").with_fields(fields?).build()?))
}

fn write_group(
    writer: &mut SerializedFileWriter<&File>,
    columns: &[Column],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        if let Some(mut writer) = group.next_column()? {
            column.write(&mut writer)?;
            writer.close()?;
        }
    }
    group.close().map(drop)
}
