/** A service whose every argument and result goes through a structured clone, as if a wire lay between. */

/** What was passed through, by operation. */
export type Passed = Map<string, number>

/**
 * The same service behind a clone. Signals pass as they are: they are the one thing of the local signature that a wire would
 * replace by a message of its own.
 * @param passed counts the calls of each operation
 */
export function cloning<S extends object>(service: S, passed: Passed): S {
  return new Proxy(service, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        passed.set(String(name), (passed.get(String(name)) ?? 0) + 1)
        const cloned = given.map(one => (one instanceof AbortSignal ? one : structuredClone(one)))
        const result: unknown = Reflect.apply(value, target, cloned)
        return result instanceof Promise ? result.then(resolved => structuredClone(resolved)) : structuredClone(result)
      }
    },
  })
}
