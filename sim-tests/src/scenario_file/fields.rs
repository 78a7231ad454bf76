//! The keys and values of a table, each with its place in the file.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use mpcsfaas_core::time::Instant;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Mistake, ScenarioError};
use super::time;

/// A mistake, and the byte of the file where it begins.
#[derive(Debug)]
pub(super) struct Located {
    at: usize,
    mistake: Mistake,
}

pub(super) type Result<T> = std::result::Result<T, Located>;

impl Located {
    /// Counts lines and characters.
    pub(super) fn in_text(self, text: &str) -> ScenarioError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ScenarioError {
            file: None,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            mistake: Box::new(self.mistake),
        }
    }
}

impl From<toml::de::Error> for Located {
    fn from(error: toml::de::Error) -> Located {
        Located {
            at: error.span().map_or(0, |span| span.start),
            mistake: Mistake::Syntax(error.message().to_owned()),
        }
    }
}

/// A table. Keys are taken out one by one; what is left in the end is unknown.
pub(super) struct Fields<'t> {
    name: &'static str,
    at: usize,
    left: BTreeMap<&'t str, (usize, Value<'t>)>,
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// The keys of the whole file.
    pub(super) fn of_file(document: &'t Spanned<DeTable<'t>>) -> Fields<'t> {
        Fields::new("the file", 0, document.get_ref())
    }

    fn new(name: &'static str, at: usize, table: &'t DeTable<'t>) -> Fields<'t> {
        let left = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), (key.span().start, Value(value))))
            .collect();
        Fields {
            name,
            at,
            left,
            known: Vec::new(),
        }
    }

    /// A key's value, if it is there.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.known.push(key);
        self.left.remove(key).map(|(_, value)| value)
    }

    /// A key's value, which must be there.
    pub(super) fn need(&mut self, key: &'static str) -> Result<Value<'t>> {
        self.take(key).ok_or_else(|| self.missing(key))
    }

    /// A key that must be there is not.
    pub(super) fn missing(&self, key: &'static str) -> Located {
        let table = self.name;
        self.refuse(Mistake::Missing { table, key })
    }

    /// A key's value as `read` reads it, or the usual one.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        usual: T,
        read: impl FnOnce(&Value<'t>) -> Result<T>,
    ) -> Result<T> {
        self.take(key).map_or(Ok(usual), |value| read(&value))
    }

    /// The tables `[[key]]`.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        name: &'static str,
    ) -> Result<Vec<Fields<'t>>> {
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        let tables = value.list().ok_or_else(|| value.is_no(name))?;
        tables.iter().map(|table| table.table(name)).collect()
    }

    /// A mistake of the table as a whole.
    pub(super) fn refuse(&self, mistake: Mistake) -> Located {
        Located {
            at: self.at,
            mistake,
        }
    }

    /// Refuses the first key that nobody has taken.
    pub(super) fn end(self) -> Result<()> {
        let first = self.left.iter().min_by_key(|(_, (at, _))| *at);
        let Some((key, (at, _))) = first else {
            return Ok(());
        };
        Err(Located {
            at: *at,
            mistake: Mistake::UnknownKey {
                table: self.name,
                key: (*key).to_owned(),
                known: self.known,
            },
        })
    }
}

/// A value.
#[derive(Clone, Copy)]
pub(super) struct Value<'t>(&'t Spanned<DeValue<'t>>);

impl<'t> Value<'t> {
    /// A mistake that this value is.
    pub(super) fn refuse(&self, mistake: impl Into<Mistake>) -> Located {
        Located {
            at: self.0.span().start,
            mistake: mistake.into(),
        }
    }

    fn is_no(&self, expected: &'static str) -> Located {
        let found = match self.0.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(Mistake::WrongType { expected, found })
    }

    /// A table, called `name` in errors.
    pub(super) fn table(&self, name: &'static str) -> Result<Fields<'t>> {
        let table = self.0.get_ref().as_table();
        let table = table.ok_or_else(|| self.is_no(name))?;
        Ok(Fields::new(name, self.0.span().start, table))
    }

    /// The values of a list, if it is one.
    pub(super) fn list(&self) -> Option<Vec<Value<'t>>> {
        let list = self.0.get_ref().as_array()?;
        Some(list.iter().map(Value).collect())
    }

    pub(super) fn text(&self) -> Result<&'t str> {
        let text = self.0.get_ref().as_str();
        text.ok_or_else(|| self.is_no("a text in quotes"))
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        let boolean = self.0.get_ref().as_bool();
        boolean.ok_or_else(|| self.is_no("true or false"))
    }

    /// A whole number within bounds, which both fit into the type.
    pub(super) fn number<T>(&self, range: RangeInclusive<T>) -> Result<T>
    where
        T: Copy + Into<i128> + TryFrom<i128>,
    {
        let integer = self.0.get_ref().as_integer();
        let integer = integer.ok_or_else(|| self.is_no("a whole number"))?;
        let (from, to) = ((*range.start()).into(), (*range.end()).into());
        i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (from..=to).contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                self.refuse(Mistake::OutOfRange {
                    found: integer.to_string(),
                    from,
                    to,
                })
            })
    }

    /// One of the words of a table.
    pub(super) fn word<T: Copy>(&self, table: &[(&'static str, T)]) -> Result<T> {
        let text = self.text()?;
        let found = table.iter().find(|(word, _)| *word == text);
        found.map(|&(_, meaning)| meaning).ok_or_else(|| {
            let known = table.iter().map(|&(word, _)| word).collect();
            self.unknown(text, known)
        })
    }

    /// A word that is none of these.
    pub(super) fn unknown(&self, found: &str, known: Vec<&'static str>) -> Located {
        self.refuse(Mistake::UnknownWord {
            found: found.to_owned(),
            known,
        })
    }

    /// A duration.
    pub(super) fn time(&self) -> Result<Duration> {
        time::read(self.text()?).map_err(|error| self.refuse(error))
    }

    /// A time of the world.
    pub(super) fn instant(&self) -> Result<Instant> {
        let nanos = u64::try_from(self.time()?.as_nanos()).ok();
        let too_long = || time::TimeError::TooLong(self.text().unwrap_or_default().to_owned());
        nanos
            .map(Instant::from_nanos)
            .ok_or_else(|| self.refuse(too_long()))
    }
}
