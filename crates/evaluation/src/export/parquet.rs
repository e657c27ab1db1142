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

use rusqlite::types::Value;

use super::{columns, fields};
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
    let columns = columns(results, timings);
    let empty: Vec<Column> = columns.iter().map(|(_, kind)| Column::of(kind)).collect();
    let schema = schema(&columns, &empty).map_err(failed)?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).map_err(failed)?;
    let mut group = empty.clone();
    let mut n_rows = 0;
    results.for_each_row(|row, timing| {
        for (column, field) in group.iter_mut().zip(fields(&row, timing.as_ref(), timings)) {
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

impl Column {
    /// Without rows.
    fn of(kind: &str) -> Self {
        match kind {
            "INTEGER" => Self::Integers(Vec::new()),
            "REAL" => Self::Reals(Vec::new()),
            _ => Self::Texts(Vec::new()),
        }
    }

    fn push(&mut self, field: Value) {
        match (self, field) {
            (Self::Texts(texts), Value::Text(text)) => texts.push(Some(text)),
            (Self::Texts(texts), _) => texts.push(None),
            (Self::Integers(numbers), Value::Integer(number)) => numbers.push(Some(number)),
            (Self::Integers(numbers), _) => numbers.push(None),
            (Self::Reals(numbers), Value::Real(number)) => numbers.push(Some(number)),
            (Self::Reals(numbers), _) => numbers.push(None),
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

fn schema(names: &[(String, &str)], columns: &[Column]) -> Result<Arc<Type>, ParquetError> {
    let field = |((name, _), column): (&(String, &str), &Column)| {
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
