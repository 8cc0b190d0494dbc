//! Takes code out of the WASM that the linker must keep and nobody calls.
//!
//! Each type-erased view carries, among its functions, one that hydrates it asynchronously. Only lazily
//! loaded routes ever call it, and the dashboard has none: it is hydrated in one go. Being reached through
//! a table of functions, that code stays in (a tenth of the whole), so it is replaced by a trap here. A page
//! that needed it after all would fail at once, in the browser tests too, which run on the same treatment.

use anyhow::{Context as _, Result};
use std::path::Path;
use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module};

/// Part of the names of the functions that nobody calls.
const UNCALLED: &str = "hydrate_async";

/// The module at `wasm` with a trap in place of each function that only lazy routes need.
pub(crate) fn without_lazy_hydration(wasm: &Path) -> Result<Vec<u8>> {
    let mut module = Module::from_file(wasm)
        .with_context(|| format!("{} cannot be read as WASM", wasm.display()))?;
    let uncalled: Vec<FunctionId> = module
        .funcs
        .iter_local()
        .map(|(id, _)| id)
        .filter(|id| {
            let name = module.funcs.get(*id).name.as_deref();
            name.is_some_and(|name| name.contains(UNCALLED))
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
    Ok(module.emit_wasm())
}
