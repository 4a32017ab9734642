//! Embeds `policies/` as JSON, so that the library needs no YAML parser and no files at run time.

use serde_json::{Map, Value};
use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../policies");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // A folder is watched with all that is in it: a new file must not leave an old catalogue.
    println!("cargo::rerun-if-changed={}", root.display());
    embed(&root.join("detectors"), &root, &out.join("detectors.json"))?;
    embed(&root.join("packs"), &root, &out.join("packs.json"))?;
    embed(&root.join("profiles"), &root, &out.join("profiles.json"))?;
    Ok(())
}

/// Writes `[{"file": …, "text": …, "data": …}]`; `text` only where the original is handed out again.
fn embed(folder: &Path, root: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    let keep_text = !folder.ends_with("detectors");
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut entries = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let data: Value =
            yaml_serde::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file
            .strip_prefix(root)?
            .to_string_lossy()
            .replace('\\', "/");
        let mut entry = Map::new();
        entry.insert("file".into(), Value::String(name));
        if keep_text {
            entry.insert("text".into(), Value::String(text));
        }
        entry.insert("data".into(), data);
        entries.push(Value::Object(entry));
    }
    if keep_text {
        fs::write(target, serde_json::to_vec(&entries)?)?;
        return Ok(());
    }
    // Examples are most of the catalogue, and reading them costs time at every start.
    let mut examples = Vec::new();
    for entry in &mut entries {
        let detectors = entry
            .pointer_mut("/data/detectors")
            .and_then(Value::as_array_mut);
        for detector in detectors.into_iter().flatten() {
            let mut taken = Map::new();
            if let Some(fields) = detector.as_object_mut() {
                for field in ["examples", "negative_examples", "references"] {
                    if let Some(value) = fields.shift_remove(field) {
                        taken.insert(field.into(), value);
                    }
                }
            }
            examples.push(Value::Object(taken));
        }
    }
    let beside = target.with_file_name("examples.json");
    fs::write(beside, serde_json::to_vec(&examples)?)?;
    fs::write(target, serde_json::to_vec(&entries)?)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}
