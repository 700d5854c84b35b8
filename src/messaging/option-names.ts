/** Options with a misspelt name must not pass in silence: the call would do something else than it says. */
import { PocketMQError } from '../base/errors.ts'

/** Refuses an option that `known` has not. @throws INVALID_ARGUMENT */
export function checkOptionNames(where: string, given: object, known: readonly string[]): void {
  for (const name in given) if (!known.includes(name)) throw unknownOption(where, name, known)
}

function unknownOption(where: string, name: string, known: readonly string[]): PocketMQError {
  return new PocketMQError('INVALID_ARGUMENT', `${where} has no option '${name}'`, {
    hint: `Known options: ${known.join(', ')}.`,
    details: { option: name },
  })
}
