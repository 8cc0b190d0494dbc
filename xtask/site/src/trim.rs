//! Takes code out of the WASM that the linker must keep and nobody calls.
//!
//! A type-erased view or attribute carries its functions in a table, and being in that table keeps code in. Two
//! of them are never called here: views are hydrated asynchronously only on Leptos's lazy routes, of which the dashboard has
//! none (it loads the code of its lazy pages before it hydrates), and attributes are taken from a template only where there
//! are templates. Together they are more
//! than a tenth of the whole, so each is replaced by a trap. A page that needed one after all would fail at once,
//! in the browser tests too, which run on the same treatment.

use anyhow::{Context as _, Result};
use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module, ModuleConfig};

/// Parts of the names of the functions that nobody calls.
const UNCALLED: [&str; 2] = ["hydrate_async", "hydrate_from_template"];

/// Reads the module `wasm` and puts a trap in place of each function that nobody calls.
pub(crate) fn without_uncalled(wasm: &[u8], config: &ModuleConfig) -> Result<Module> {
    let mut module = config
        .parse(wasm)
        .context("what was linked cannot be read as WASM")?;
    let uncalled: Vec<FunctionId> = module
        .funcs
        .iter_local()
        .map(|(id, _)| id)
        .filter(|id| {
            let name = module.funcs.get(*id).name.as_deref();
            name.is_some_and(|name| UNCALLED.iter().any(|part| name.contains(part)))
        })
        .collect();
    for id in uncalled {
        let (params, results) = module.types.params_results(module.funcs.get(id).ty());
        let (params, results) = (params.to_vec(), results.to_vec());
        let mut trap = FunctionBuilder::new(&mut module.types, &params, &results);
        trap.func_body().unreachable();
        let args = params.iter().map(|ty| module.locals.add(*ty)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(trap.local_func(args));
    }
    Ok(module)
}
