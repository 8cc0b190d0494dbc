// Holds bills of materials against the schema of CycloneDX 1.5: node sbom.mjs SCHEMAS BILL…
// A bill that is good is then spoiled in every way that matters, and none of those may pass.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import Ajv from "ajv";

const [schemas, ...bills] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));

const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
// A word of the schema that says nothing of what is valid.
ajv.addVocabulary(["meta:enum"]);
ajv.addFormat("date-time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
ajv.addFormat("iri-reference", (text) => URL.canParse(text, "https://example.org"));
ajv.addFormat("uri", (text) => URL.canParse(text));
ajv.addFormat("idn-email", /^\S+@\S+$/);
for (const name of ["spdx", "jsf-0.82"]) ajv.addSchema(read(join(schemas, `${name}.schema.json`)));
const isValid = ajv.compile(read(join(schemas, "bom-1.5.schema.json")));

/** What is wrong with a bill: first by the schema, then with what it cannot say. */
function problems(bill) {
  if (!isValid(bill)) return isValid.errors.map((error) => `${error.instancePath || "/"} ${error.message}`);
  const found = [];
  const all = [bill.metadata?.component, ...(bill.components ?? [])];
  const refs = all.map((component) => component?.["bom-ref"]);
  const known = new Set(refs);
  if (known.size !== refs.length) found.push("two components have the same bom-ref");
  const explained = new Set(bill.dependencies?.map((dependency) => dependency.ref));
  for (const ref of known) if (!explained.has(ref)) found.push(`nothing says what ${ref} depends on`);
  for (const { ref, dependsOn } of bill.dependencies ?? []) {
    for (const one of [ref, ...(dependsOn ?? [])]) if (!known.has(one)) found.push(`${one} is no component`);
  }
  for (const { name, version, purl, licenses, hashes } of bill.components ?? []) {
    if (!version || !purl) found.push(`${name} has no version or no purl`);
    if (!licenses?.length) found.push(`${name} has no licence`);
    // Our own crates are in no registry.
    if (!hashes?.length && !name.startsWith("saltpeter-")) found.push(`${name} has no checksum`);
  }
  return found;
}

/** The ways to spoil a bill. */
const spoilers = {
  "no bomFormat": (bill) => delete bill.bomFormat,
  "another bomFormat": (bill) => (bill.bomFormat = "SPDX"),
  "no specVersion": (bill) => delete bill.specVersion,
  "a version that is text": (bill) => (bill.version = "1"),
  "a component of no type": (bill) => delete bill.components[0].type,
  "a component of an unknown type": (bill) => (bill.components[0].type = "crate"),
  "a component without a name": (bill) => delete bill.components[0].name,
  "a component without a version": (bill) => delete bill.components[0].version,
  "a component without a purl": (bill) => delete bill.components[0].purl,
  "a component without a licence": (bill) => delete bill.components[0].licenses,
  "a component twice": (bill) => bill.components.push({ ...bill.components[0], version: "0" }),
  "a field that there is not": (bill) => (bill.components[0].checksum = "x"),
  "a licence that is neither name nor expression": (bill) => (bill.components[0].licenses = [{ licence: "MIT" }]),
  "an unknown hash": (bill) => (bill.components[0].hashes = [{ alg: "CRC", content: "x" }]),
  "a hash that is none": (bill) => (bill.components[0].hashes = [{ alg: "SHA-256", content: "x" }]),
  "a link without an address": (bill) => (bill.components[0].externalReferences = [{ type: "vcs" }]),
  "a dependency of nothing": (bill) => delete bill.dependencies[0].ref,
  "a dependency on what is not there": (bill) => (bill.dependencies[0].dependsOn = ["pkg:cargo/none@1"]),
  "no dependencies": (bill) => delete bill.dependencies,
  "nothing that it is the bill of": (bill) => delete bill.metadata.component,
};

let failed = false;
for (const path of bills) {
  const bill = read(path);
  const wrong = problems(bill);
  if (!bill.components?.length) wrong.push("it is empty");
  if (wrong.length === 0) {
    for (const [name, spoil] of Object.entries(spoilers)) {
      const copy = structuredClone(bill);
      spoil(copy);
      if (problems(copy).length === 0) wrong.push(`with ${name} it would pass as well`);
    }
  }
  failed ||= wrong.length > 0;
  const verdict = wrong.length > 0 ? wrong.join("\n  ") : `good: ${bill.components.length} components`;
  console.log(`${basename(path)}: ${verdict}`);
}
process.exitCode = failed || bills.length === 0 ? 1 : 0;
