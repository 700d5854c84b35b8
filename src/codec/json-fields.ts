/**
 * Takes the fields of a JSON object one by one and checks each; what nobody took is kept, so that a file written by a
 * newer RocketMQ keeps what we do not know.
 */
import type { PocketMQError } from '../base/errors.ts'
import type { Json, JsonObject } from './loose-json.ts'
import { asJsonObject, corruptJson, kindOf } from './loose-json.ts'

/** The fields of one object. `where` names it in errors. */
export class JsonFields {
  readonly #object: JsonObject
  readonly #file: string
  readonly #where: string
  readonly #taken = new Set<string>()

  constructor(object: Json | undefined, file: string, where: string) {
    this.#object = asJsonObject(object, file, where)
    this.#file = file
    this.#where = where
  }

  /** Whole number from `min` to `max`; without `fallback` it has to be there. */
  whole(name: string, min: number, max: number, fallback?: number): number {
    const value = this.#take(name) ?? fallback
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value
    throw this.#corrupt(name, `a whole number from ${min} to ${max}`, value)
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.#take(name) ?? fallback
    if (typeof value === 'boolean') return value
    throw this.#corrupt(name, 'true or false', value)
  }

  text(name: string, fallback?: string): string {
    const value = this.#take(name) ?? fallback
    if (typeof value === 'string') return value
    throw this.#corrupt(name, 'a string', value)
  }

  /** An object whose values are strings; empty where it is missing. */
  texts(name: string): Readonly<Record<string, string>> {
    const object = this.object(name)
    for (const [key, value] of Object.entries(object)) {
      if (typeof value !== 'string') throw this.#corrupt(`${name}.${key}`, 'a string', value)
    }
    return object as Readonly<Record<string, string>>
  }

  /** An object; empty where it is missing. */
  object(name: string): JsonObject {
    return asJsonObject(this.#take(name) ?? {}, this.#file, `${this.#where}.${name}`)
  }

  /** An array; empty where it is missing. */
  array(name: string): readonly Json[] {
    const value = this.#take(name) ?? []
    if (Array.isArray(value)) return value
    throw this.#corrupt(name, 'an array', value)
  }

  /** Leaves a field out of {@link rest}: it is derived, and ours would be stale. */
  drop(name: string): void {
    this.#taken.add(name)
  }

  /** What nobody took. */
  rest(): JsonObject {
    return Object.fromEntries(Object.entries(this.#object).filter(([name]) => !this.#taken.has(name)))
  }

  #take(name: string): Json | undefined {
    this.#taken.add(name)
    const value = Object.hasOwn(this.#object, name) ? this.#object[name] : undefined
    return value === null ? undefined : value
  }

  #corrupt(name: string, expected: string, found: Json | undefined): PocketMQError {
    return corruptJson(this.#file, `${expected} as ${this.#where}.${name}`, kindOf(found))
  }
}
