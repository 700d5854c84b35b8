/** Settings of how a group's queues are shared out, and what they are in the core's plain values. */
import { assert } from '../base/assert.ts'
import type { Setting } from '../base/settings-table.ts'
import { custom, wholeNumber } from '../base/settings-table.ts'
import type { AssignmentFunction } from './assignment.ts'
import type { Assignment, ConsumerRegistration, QueueAddress } from './core-types.ts'

/**
 * How queues are shared out, where they have owners (`orderly: true`, pull consumers that subscribe): contiguous shares, in turn, by
 * a ring of hashes, the queues this consumer names, or by a function of one's own. The same for all members of a group.
 */
export type AssignmentOption =
  | 'averaged'
  | 'circle'
  | 'consistent-hash'
  | { readonly queues: readonly QueueAddress[] }
  | AssignmentFunction

/** Part of the options of consumers. */
export type AssignmentOptions = {
  readonly assignment?: AssignmentOption
  /** Milliseconds it may go on with what it has of a queue that becomes another member's. */
  readonly drainTimeout?: number
}

/** Stands for a function on its way to the core: functions do not cross that line. */
type NamedFunction = { readonly name: string }

type AssignmentTable = {
  readonly assignment: Setting<AssignmentOption | NamedFunction>
  readonly drainTimeout: Setting<number>
}

/** Part of the settings of consumers. */
export const ASSIGNMENT_SETTINGS: AssignmentTable = {
  assignment: custom<AssignmentOption | NamedFunction>(
    'how queues are shared out, where they have owners',
    'averaged',
    checkAssignment,
  ),
  drainTimeout: wholeNumber(
    'milliseconds to end what is in hand of a queue that goes to another',
    10_000,
    0,
    24 * 3_600_000,
  ),
}

/** The part of a registration that says how queues are shared out. */
export function assignmentRegistration({
  assignment,
  drainTimeout: drainMs,
}: {
  readonly assignment: AssignmentOption | NamedFunction
  readonly drainTimeout: number
}): Pick<ConsumerRegistration, 'assignment' | 'drainMs'> {
  return { assignment: plain(assignment), drainMs }
}

/** The same options, with a name where they have a function. */
export function withNamedFunction<O extends AssignmentOptions>(
  options: O,
  nameOf: (assign: AssignmentFunction) => string,
): O {
  const assignment = options?.assignment
  return typeof assignment === 'function' ? { ...options, assignment: { name: nameOf(assignment) } } : options
}

function plain(option: AssignmentOption | NamedFunction): Assignment {
  assert(typeof option !== 'function', 'an assignment function has been given its name')
  if (typeof option === 'string') return { kind: option }
  if ('name' in option) return { kind: 'custom', name: option.name }
  return { kind: 'manual', queues: option.queues.map(({ topic, queueId }) => ({ topic, queueId })) }
}

function checkAssignment(value: unknown): string | undefined {
  if (typeof value === 'function' || value === 'averaged' || value === 'circle' || value === 'consistent-hash')
    return undefined
  const { queues, name } = (value ?? {}) as { queues?: unknown; name?: unknown }
  if (typeof name === 'string') return undefined
  return Array.isArray(queues) && queues.every(isQueue)
    ? undefined
    : "must be 'averaged', 'circle', 'consistent-hash', { queues: [{ topic, queueId }] } or a function"
}

function isQueue(value: unknown): boolean {
  const { topic, queueId } = (value ?? {}) as { topic?: unknown; queueId?: unknown }
  return typeof topic === 'string' && Number.isInteger(queueId) && (queueId as number) >= 0
}
