/** Ids of client objects: unique per object, so that containers with one address and one pid never collide. SEMANTICS 8.5. */
import { hostname } from 'node:os'
import { monotonicNs } from '../base/clock.ts'
import { PocketMQError } from '../base/errors.ts'

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

/** The client id of a named instance begins with its name. */
export function instanceNameOf(clientId: string): string {
  const at = clientId.lastIndexOf('@')
  return at < 0 ? clientId : clientId.slice(0, at)
}

/** The error for a second consumer with the name of one that is alive. */
export function inUse(clientId: string, group: string): PocketMQError {
  const instanceName = instanceNameOf(clientId)
  return new PocketMQError(
    'INSTANCE_ID_IN_USE',
    `instance '${instanceName}' of group '${group}' is alive already (pid ${process.pid})`,
    {
      hint: 'Close the other consumer of that name first, choose another instanceName, or leave it out.',
      details: { instanceName, group, clientId, pid: process.pid },
    },
  )
}
