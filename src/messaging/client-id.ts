/** Ids of client objects: unique per object, so that containers with one address and one pid never collide. SEMANTICS 8.5. */
import { hostname } from 'node:os'
import { monotonicNs } from '../base/clock.ts'

const startedNs = monotonicNs().toString(36)
let counter = 0

/** `host#pid#start#counter-random`. @param random from 0 up to 1 */
export function newClientId(random: () => number): string {
  counter++
  const salt = Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')
  return `${hostname()}#${process.pid}#${startedNs}#${counter}-${salt}`
}
