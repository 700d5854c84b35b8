/**
 * Users' own assignment functions by name. A registration is plain values, so it names its function; the same function has the same
 * name, and consumers of one group have to be given the same one.
 */
import type { AssignmentFunction } from './assignment.ts'

/** The functions of one queue object. */
export class AssignmentFunctions {
  readonly #names = new Map<AssignmentFunction, string>()
  readonly #functions = new Map<string, AssignmentFunction>()

  /** The name to register with. */
  nameOf(assign: AssignmentFunction): string {
    const known = this.#names.get(assign)
    if (known !== undefined) return known
    const name = `${assign.name === '' ? 'function' : assign.name} ${this.#names.size + 1}`
    this.#names.set(assign, name)
    this.#functions.set(name, assign)
    return name
  }

  get(name: string): AssignmentFunction | undefined {
    return this.#functions.get(name)
  }
}
