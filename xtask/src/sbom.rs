//! What is in each of the things that are shipped: bills of materials in the form of `CycloneDX`.

use crate::counts::Counts;
use crate::lock::{Exact, checksums};
use crate::process::{output, run};
use crate::setup::{WASM, musl};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What is shipped: the package, and whether it is built for every Linux, this one or the browser.
const SHIPPED: [(&str, Place); 3] = [
    ("saltpeter-server", Place::Host),
    ("saltpeter-wrapper", Place::AnyLinux),
    ("frontend", Place::Browser),
];

#[derive(Clone, Copy)]
enum Place {
    Host,
    AnyLinux,
    Browser,
}

/// Writes `dist/PACKAGE.cdx.json` for each. The dashboard's is a part of the server's binary.
pub(crate) fn sbom(ws: &Workspace) -> Result<()> {
    for path in write(ws, &ws.root.join("dist"))? {
        println!("{}", path.display());
    }
    Ok(())
}

/// The step of the tests: every bill is valid by the schema of `CycloneDX`, and the check finds what is wrong in spoiled ones.
pub(crate) fn test(ws: &Workspace) -> Result<Counts> {
    let bills = write(ws, &ws.target.join("sbom"))?;
    run(ws
        .command("node")
        .arg(ws.end2end().join("sbom.mjs"))
        .arg(ws.root.join("xtask/cyclonedx"))
        .args(&bills))?;
    Ok(Counts {
        passed: u64::try_from(bills.len())?,
        failed: 0,
    })
}

/// Writes the bills into a directory, and says where.
fn write(ws: &Workspace, dir: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let lock = fs::read_to_string(ws.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let checksums = checksums(&lock);
    let mut written = Vec::new();
    for (package, place) in SHIPPED {
        let target = match place {
            Place::Host => output(ws.command("rustc").args(["--print", "host-tuple"]))?,
            Place::AnyLinux => musl(),
            Place::Browser => WASM.to_owned(),
        };
        let metadata = output(ws.cargo().args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            &target,
        ]))?;
        let metadata = serde_json::from_str(&metadata).context("cargo's metadata is not JSON")?;
        let bill = bill(&metadata, package, &checksums)?;
        let path = dir.join(format!("{package}.cdx.json"));
        fs::write(&path, serde_json::to_string_pretty(&bill)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// The bill of `root`: itself and all that is linked into it. What only builds or tests it is left out. Features are those of
/// the whole workspace, so that a package may be listed that this one does without; none is missing.
fn bill(metadata: &Value, root: &str, checksums: &BTreeMap<Exact, String>) -> Result<Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: BTreeMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let links: BTreeMap<String, BTreeSet<String>> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| {
            let linked = list(&node["deps"]).into_iter().filter(is_linked);
            (
                text(&node["id"]),
                linked.map(|dep| text(&dep["pkg"])).collect(),
            )
        })
        .collect();
    let (root, _) = packages
        .iter()
        .find(|(_, package)| package["name"] == root && package["source"].is_null())
        .with_context(|| format!("there is no package {root}"))?;
    let mut reached = BTreeSet::from([root.clone()]);
    let mut open = vec![root.clone()];
    while let Some(id) = open.pop() {
        for next in links.get(&id).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    let component = |id: &String| component(&packages[id], checksums);
    let depends = |id: &String| {
        let on: Vec<Value> = links[id].iter().map(|id| purl(&packages[id])).collect();
        json!({ "ref": purl(&packages[id]), "dependsOn": on })
    };
    let mut itself = component(root);
    itself["type"] = json!("application");
    let others: Vec<Value> = reached
        .iter()
        .filter(|id| *id != root)
        .map(component)
        .collect();
    let dependencies: Vec<Value> = reached.iter().map(depends).collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": itself,
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom" }] },
        },
        "components": others,
        "dependencies": dependencies,
    }))
}

/// Whether a dependency ends up in what is built, and is not only for building or testing.
fn is_linked(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
}

/// What others call a package.
fn purl(package: &Value) -> Value {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    // A plus sign of a version is a space elsewhere.
    let version = text("version").replace('+', "%2B");
    json!(format!("pkg:cargo/{}@{version}", text("name")))
}

fn component(package: &Value, checksums: &BTreeMap<Exact, String>) -> Value {
    let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    });
    if let Some(licence) = package["license"].as_str() {
        // As old manifests have it.
        let expression = licence.replace('/', " OR ");
        component["licenses"] = json!([{ "expression": expression }]);
    }
    if let Some(sum) = checksums.get(&(text("name"), text("version"))) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    if let Some(address) = package["repository"].as_str() {
        component["externalReferences"] = json!([{ "type": "vcs", "url": address }]);
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>) -> Value {
        json!({
            "id": format!("id-{name}"), "name": name, "version": "1.0.0+x", "source": source,
            "license": "MIT/Apache-2.0", "repository": "https://example.org/x",
        })
    }

    fn node(name: &str, deps: &[(&str, &[Option<&str>])]) -> Value {
        let dep = |(name, kinds): &(&str, &[Option<&str>])| {
            let kinds: Vec<Value> = kinds.iter().map(|kind| json!({ "kind": kind })).collect();
            json!({ "pkg": format!("id-{name}"), "dep_kinds": kinds })
        };
        let deps: Vec<Value> = deps.iter().map(dep).collect();
        json!({ "id": format!("id-{name}"), "deps": deps })
    }

    #[test]
    fn a_bill_has_what_is_linked_and_nothing_else() {
        let registry = Some("registry+x");
        let metadata = json!({
            "packages": [
                package("tool", None), package("near", registry), package("far", registry),
                package("builds", registry), package("tests", registry), package("both", registry),
            ],
            "resolve": { "nodes": [
                node("tool", &[
                    ("near", &[None]), ("builds", &[Some("build")]), ("tests", &[Some("dev")]),
                    ("both", &[Some("dev"), None]),
                ]),
                node("near", &[("far", &[None])]),
                node("far", &[("near", &[None])]),
                node("builds", &[]), node("tests", &[]), node("both", &[]),
            ] },
        });
        let lock = "version = 4\n\n[[package]]\nname = \"near\"\nversion = \"1.0.0+x\"\nchecksum = \"abc\"\n";
        let bill = bill(&metadata, "tool", &checksums(lock)).unwrap();
        let names: Vec<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["both", "far", "near"]);
        assert_eq!(bill["metadata"]["component"]["name"], "tool");
        let near = &bill["components"][2];
        assert_eq!(near["purl"], "pkg:cargo/near@1.0.0%2Bx");
        assert_eq!(near["hashes"][0]["content"], "abc");
        assert_eq!(near["licenses"][0]["expression"], "MIT OR Apache-2.0");
        let of_far = &bill["dependencies"][1];
        assert_eq!(of_far["ref"], "pkg:cargo/far@1.0.0%2Bx");
        assert_eq!(of_far["dependsOn"][0], near["bom-ref"]);
        assert!(super::bill(&metadata, "near", &BTreeMap::new()).is_err());
    }
}
