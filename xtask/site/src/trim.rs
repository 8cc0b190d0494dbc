//! Takes code out of the WASM that the linker must keep and nobody calls.
//!
//! A type-erased view or attribute carries its functions in a table, and being in that table keeps code in. Two
//! of them are never called here: views are hydrated asynchronously only on Leptos's lazy routes, of which the dashboard has
//! none (it loads the code of its lazy pages before it hydrates), and attributes are taken from a template only where there
//! are templates. Together they are more
//! than a tenth of the whole, so each is replaced by a trap. A page that needed one after all would fail at once,
//! in the browser tests too, which run on the same treatment.
//!
//! In a release the compiler keeps one of several functions that are alike, by the name of any of them: what other code calls
//! directly is left as it is, whatever it is named.

use anyhow::{Context as _, Result};
use std::collections::HashSet;
use walrus::ir::{Call, Visitor, dfs_in_order};
use walrus::{FunctionBuilder, FunctionId, FunctionKind, LocalFunction, Module, ModuleConfig};

/// Parts of the names of the functions that nobody calls.
const UNCALLED: [&str; 2] = ["hydrate_async", "hydrate_from_template"];

/// Reads the module `wasm` and puts a trap in place of each function that nobody calls.
pub(crate) fn without_uncalled(wasm: &[u8], config: &ModuleConfig) -> Result<Module> {
    let mut module = config
        .parse(wasm)
        .context("what was linked cannot be read as WASM")?;
    for id in uncalled(&module) {
        let (params, results) = module.types.params_results(module.funcs.get(id).ty());
        let (params, results) = (params.to_vec(), results.to_vec());
        let mut trap = FunctionBuilder::new(&mut module.types, &params, &results);
        trap.func_body().unreachable();
        let args = params.iter().map(|ty| module.locals.add(*ty)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(trap.local_func(args));
    }
    Ok(module)
}

/// Those that have such a name, and that nobody calls but they.
fn uncalled(module: &Module) -> HashSet<FunctionId> {
    let mut calls: Vec<(FunctionId, Vec<FunctionId>)> = module
        .funcs
        .iter_local()
        .map(|(id, function)| (id, called_by(function)))
        .collect();
    let mut uncalled: HashSet<FunctionId> = calls
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| {
            let name = module.funcs.get(*id).name.as_deref();
            name.is_some_and(|name| UNCALLED.iter().any(|part| name.contains(part)))
        })
        .collect();
    // What is left may be called, and so may what it calls.
    loop {
        let before = uncalled.len();
        calls.retain(|(id, called)| {
            let is_left = !uncalled.contains(id);
            if is_left {
                for id in called {
                    uncalled.remove(id);
                }
            }
            !is_left
        });
        if uncalled.len() == before {
            return uncalled;
        }
    }
}

fn called_by(function: &LocalFunction) -> Vec<FunctionId> {
    struct Calls(Vec<FunctionId>);
    impl<'instr> Visitor<'instr> for Calls {
        fn visit_call(&mut self, call: &Call) {
            self.0.push(call.func);
        }
    }
    let mut calls = Calls(Vec::new());
    dfs_in_order(&mut calls, function, function.entry_block());
    calls.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions without parameters, each with a name and the numbers of those that it calls.
    fn module(functions: &[(&str, &[usize])]) -> (Module, Vec<FunctionId>) {
        let mut module = Module::default();
        let ids: Vec<FunctionId> = functions
            .iter()
            .map(|(name, _)| {
                let mut function = FunctionBuilder::new(&mut module.types, &[], &[]);
                function.name((*name).to_owned());
                function.finish(Vec::new(), &mut module.funcs)
            })
            .collect();
        for (id, (_, called)) in ids.iter().zip(functions) {
            let function = module.funcs.get_mut(*id).kind.unwrap_local_mut();
            for number in *called {
                function.builder_mut().func_body().call(ids[*number]);
            }
        }
        (module, ids)
    }

    #[test]
    fn what_other_code_calls_is_kept_whatever_its_name() {
        let (module, ids) = module(&[
            ("hydrate", &[1]),
            // One of two that are alike, by the name of the other.
            ("view::hydrate_async::prepare", &[2]),
            ("view::hydrate_async::prepare::part", &[]),
            ("view::hydrate_async", &[1, 4]),
            ("view::hydrate_async::own", &[]),
            ("attribute::hydrate_from_template", &[]),
        ]);
        assert_eq!(uncalled(&module), HashSet::from([ids[3], ids[4], ids[5]]));
    }
}
