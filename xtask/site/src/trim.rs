//! Takes code out of the WASM that the linker must keep and nobody calls.
//!
//! A type-erased view or attribute carries its functions in a table, and being in that table keeps code in. Two
//! of them are never called here: views are hydrated asynchronously only on Leptos's lazy routes, of which the dashboard has
//! none (it loads the code of its lazy pages before it hydrates), and attributes are taken from a template only where there
//! are templates. Together they are more
//! than a tenth of the whole, so each is replaced by a trap. A page that needed one after all would fail at once,
//! in the browser tests too, which run on the same treatment.
//!
//! In a release the compiler keeps one of several functions that are alike, by the name of any of them. So what has such a name may
//! be what everybody calls. Left as it is what other code calls directly, what is only defined within such a function, and
//! what is small: large functions are alike only when they do the same.

use anyhow::{Context as _, Result};
use std::collections::HashSet;
use walrus::ir::{Call, Visitor, dfs_in_order};
use walrus::{FunctionBuilder, FunctionId, FunctionKind, LocalFunction, Module, ModuleConfig};

/// Names of the functions that nobody calls, without the path before them.
const UNCALLED: [&str; 2] = ["hydrate_async", "hydrate_from_template"];

/// Functions of fewer instructions than this are kept.
const SMALL: u64 = 40;

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
            let function = module.funcs.get(*id);
            let is_large = function.kind.unwrap_local().size() >= SMALL;
            is_large && function.name.as_deref().is_some_and(is_uncalled)
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

/// Whether the name is that of such a function or of the future that it makes, not of something else within it.
fn is_uncalled(name: &str) -> bool {
    UNCALLED.iter().any(|uncalled| {
        name.rsplit_once(uncalled).is_some_and(|(_, rest)| {
            let rest = rest.trim_start_matches("::{{closure}}");
            // The compiler's own addition.
            rest.strip_prefix("::h")
                .is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
                || rest.is_empty()
        })
    })
}

fn called_by(function: &LocalFunction) -> Vec<FunctionId> {
    struct Calls(Vec<FunctionId>);
    impl Visitor<'_> for Calls {
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

    /// Functions without parameters, each with a name, the numbers of those that it calls, and a size.
    fn module(functions: &[(&str, &[usize], usize)]) -> (Module, Vec<FunctionId>) {
        let mut module = Module::default();
        let ids: Vec<FunctionId> = functions
            .iter()
            .map(|(name, _, _)| {
                let mut function = FunctionBuilder::new(&mut module.types, &[], &[]);
                function.name((*name).to_owned());
                function.finish(Vec::new(), &mut module.funcs)
            })
            .collect();
        for (id, (_, called, size)) in ids.iter().zip(functions) {
            let function = module.funcs.get_mut(*id).kind.unwrap_local_mut();
            for number in *called {
                function.builder_mut().func_body().call(ids[*number]);
            }
            for _ in called.len()..*size {
                function.builder_mut().func_body().unreachable();
            }
        }
        (module, ids)
    }

    #[test]
    fn what_other_code_calls_is_kept_whatever_its_name() {
        let large = SMALL as usize;
        let (module, ids) = module(&[
            ("hydrate", &[1], 1),
            // One of two that are alike, by the name of the other.
            ("view::hydrate_async::h0a", &[2], large),
            ("view::hydrate_async::{{closure}}::h0b", &[], large),
            ("view::hydrate_async::h0c", &[1, 4], large),
            ("view::hydrate_async::{{closure}}", &[], large),
            ("attribute::hydrate_from_template", &[], large),
            // Like many others.
            ("view::hydrate_async", &[], 1),
            // Within it, and perhaps within others.
            ("view::hydrate_async::{{closure}}::prepare::h0d", &[], large),
        ]);
        assert_eq!(uncalled(&module), HashSet::from([ids[3], ids[4], ids[5]]));
    }
}
