//! What can be seen, as data: the catalogue of detectors out of `policies/detectors/`.

pub mod syntax;

use serde_json::{Map, Value};
use std::{collections::HashMap, sync::LazyLock};
use syntax::DetectorSource;

/// Index of a detector in its [`Catalog`].
pub type DetectorId = u32;

/// Why a catalogue does not load.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file is not of the documented form.
    #[error("{file}: {message}")]
    Syntax {
        /// The file, as the user named it.
        file: String,
        /// What is wrong, with its place.
        message: String,
    },
    /// Two entries share an id.
    #[error("{file}: detector \"{id}\" is already defined in {first}")]
    Duplicate {
        /// The second file.
        file: String,
        /// The shared id.
        id: String,
        /// The first file.
        first: String,
    },
}

/// All detectors of one guard.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    detectors: Vec<DetectorSource>,
    by_id: HashMap<String, DetectorId>,
}

/// What a guard needs of each entry.
static EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/detectors.json"));
/// What else each entry has, in their order: examples and references.
static EXAMPLES: &str = include_str!(concat!(env!("OUT_DIR"), "/examples.json"));

/// The built-in detector files in full, with examples and references, as JSON:
/// `[{"file": …, "data": {"detectors": […]}}]`. For tests and for showing them.
///
/// # Errors
/// [`CatalogError`], which the tests of this crate exclude: the build makes both halves.
pub fn documented_json() -> Result<String, CatalogError> {
    let bad = |e: serde_json::Error| CatalogError::Syntax {
        file: "detectors".into(),
        message: e.to_string(),
    };
    let mut files: Value = serde_json::from_str(EMBEDDED).map_err(bad)?;
    let examples: Vec<Map<String, Value>> = serde_json::from_str(EXAMPLES).map_err(bad)?;
    let mut examples = examples.into_iter();
    for file in files.as_array_mut().into_iter().flatten() {
        let detectors = file.pointer_mut("/data/detectors");
        for detector in detectors
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let (Some(entry), Some(more)) = (detector.as_object_mut(), examples.next()) {
                entry.extend(more);
            }
        }
    }
    serde_json::to_string(&files).map_err(bad)
}

impl Catalog {
    /// The built-in catalogue. Read once a process.
    ///
    /// # Errors
    /// [`CatalogError`], which the tests of this crate exclude.
    pub fn embedded() -> Result<&'static Self, &'static CatalogError> {
        static CATALOG: LazyLock<Result<Catalog, CatalogError>> = LazyLock::new(|| {
            let mut catalog = Catalog::default();
            // The tests of this crate run the examples of whatever they are given.
            if cfg!(test) {
                catalog.extend(&documented_json()?, false)?;
            } else {
                catalog.extend(EMBEDDED, false)?;
            }
            Ok(catalog)
        });
        CATALOG.as_ref()
    }

    /// The built-in catalogue with examples and references, which [`Catalog::embedded`] leaves out
    /// because reading them costs time at every start.
    ///
    /// # Errors
    /// [`CatalogError`], which the tests of this crate exclude.
    pub fn documented() -> Result<&'static Self, &'static CatalogError> {
        static CATALOG: LazyLock<Result<Catalog, CatalogError>> = LazyLock::new(|| {
            let mut catalog = Catalog::default();
            catalog.extend_json(&documented_json()?)?;
            Ok(catalog)
        });
        CATALOG.as_ref()
    }

    /// Adds `[{"file": …, "data": {"detectors": […]}}]`, the form of the embedded catalogue.
    ///
    /// # Errors
    /// [`CatalogError`] for the first entry that is not of the documented form.
    pub fn extend_json(&mut self, json: &str) -> Result<(), CatalogError> {
        self.extend(json, true)
    }

    fn extend(&mut self, json: &str, with_examples: bool) -> Result<(), CatalogError> {
        let bad = |file: &str, message: String| CatalogError::Syntax {
            file: file.into(),
            message,
        };
        let files: Vec<syntax::DetectorFile> =
            serde_json::from_str(json).map_err(|e| bad("detectors", e.to_string()))?;
        for file in files {
            for mut entry in file.data.detectors {
                entry.file.clone_from(&file.file);
                let checked = entry.check().and_then(|()| {
                    if with_examples {
                        entry.check_examples()
                    } else {
                        Ok(())
                    }
                });
                if let Err(message) = checked {
                    return Err(bad(
                        &file.file,
                        format!("detector \"{}\": {message}", entry.id),
                    ));
                }
                if let Some(first) = self.find(&entry.id).and_then(|id| self.get(id)) {
                    return Err(CatalogError::Duplicate {
                        file: file.file,
                        id: entry.id,
                        first: first.file.clone(),
                    });
                }
                let id = u32::try_from(self.detectors.len()).unwrap_or(u32::MAX);
                self.by_id.insert(entry.id.clone(), id);
                self.detectors.push(entry);
            }
        }
        Ok(())
    }

    /// Gives the detectors whose id starts so another weight.
    pub(crate) fn weigh(&mut self, prefix: &str, tags: &[&str], risk: f32) {
        for entry in self
            .detectors
            .iter_mut()
            .filter(|e| e.id.starts_with(prefix))
        {
            entry.tags = tags.iter().map(|t| (*t).to_owned()).collect();
            entry.risk_score = risk;
        }
    }

    /// A detector by its index.
    #[must_use]
    pub fn get(&self, id: DetectorId) -> Option<&DetectorSource> {
        self.detectors.get(id as usize)
    }

    /// The index of the detector with this stable id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<DetectorId> {
        self.by_id.get(id).copied()
    }

    /// All detectors with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (DetectorId, &DetectorSource)> {
        (0..).zip(&self.detectors)
    }
}

/// The form of `match` that an analyzer asks for, out of the free-form value of the file.
///
/// # Errors
/// The message of the first field that does not fit.
pub fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|e| e.to_string())
}

/// One or several strings, as entries write them. Empty where nothing is written.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `x`
    One(String),
    /// `[x, y]`
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    /// Brings all into lower case.
    pub fn lower(&mut self) {
        match self {
            Self::One(one) => one.make_ascii_lowercase(),
            Self::Many(many) => many.iter_mut().for_each(|p| p.make_ascii_lowercase()),
        }
    }
}

impl std::ops::Deref for OneOrMany {
    type Target = [String];

    fn deref(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_catalog_loads_and_equals_the_files() {
        let catalog = Catalog::documented().unwrap();
        assert_eq!(
            catalog.iter().map(|(_, d)| &d.id).collect::<Vec<_>>(),
            Catalog::embedded()
                .unwrap()
                .iter()
                .map(|(_, d)| &d.id)
                .collect::<Vec<_>>()
        );
        let root =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/detectors");
        let mut on_disk = 0;
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    on_disk += text
                        .lines()
                        .filter(|l| l.trim_start().starts_with("- id: "))
                        .count();
                }
            }
        }
        assert_eq!(catalog.iter().count(), on_disk);
    }
}
