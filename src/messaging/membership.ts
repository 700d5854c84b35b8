/**
 * Whether a consumer may join its group as it is (SEMANTICS section 8): the group's subscription is a record that all
 * members share, and a group has one way of delivering. Pure.
 */
import { createHash } from 'node:crypto'
import { PocketMQError } from '../base/errors.ts'
import type { GroupRecord, SubscriptionRecord } from '../codec/groups-json.ts'
import { isSameStrategy, listedByBoth } from './assignment.ts'
import type { Assignment, ConsumerRegistration, SubscriptionEntry } from './core-types.ts'
import type { Member } from './member.ts'

/** What happens with a consumer that wants to join. */
export type Admission =
  /** The record is as it says. */
  | { readonly kind: 'join' }
  /** The record becomes this; members that do not fit it are fenced. */
  | { readonly kind: 'record'; readonly subscriptions: readonly SubscriptionRecord[] }
  /** Not before the present members have left. */
  | { readonly kind: 'wait' }
  /** It gets a group of its own. */
  | { readonly kind: 'isolate'; readonly group: string }

/** What an admission is decided by. */
export type AdmissionRequest = {
  readonly registration: ConsumerRegistration
  /** Its subscription in canonical form. */
  readonly wanted: readonly SubscriptionRecord[]
  readonly record: GroupRecord | undefined
  readonly live: readonly Member[]
}

/** Separates a group from the hash of a subscription that was isolated from it. */
const ISOLATED_SEPARATOR = '~'
const ISOLATED_HASH_CHARS = 8

/** @throws SUBSCRIPTION_MISMATCH with both sides in `details` */
export function admit(request: AdmissionRequest): Admission {
  const { registration, wanted, record, live } = request
  checkDelivery(registration, live)
  checkAssignment(registration, live)
  // Who owns his position subscribes to nothing, and leaves the record as it is.
  if (registration.kind === 'pull' && wanted.length === 0 && record !== undefined) return { kind: 'join' }
  if (record === undefined || record.subscriptions.length === 0) return { kind: 'record', subscriptions: wanted }
  const merged = agree(registration, wanted, record)
  if (merged !== undefined) {
    return merged.length === record.subscriptions.length ? { kind: 'join' } : { kind: 'record', subscriptions: merged }
  }
  switch (registration.onSubscriptionMismatch) {
    case 'replace':
      return { kind: 'record', subscriptions: wanted }
    case 'wait':
      return live.length === 0 ? { kind: 'record', subscriptions: wanted } : { kind: 'wait' }
    case 'isolate':
      return { kind: 'isolate', group: isolatedGroup(registration.group, wanted) }
    default:
      throw mismatch(registration.group, wanted, record)
  }
}

/** Whether a member's own subscription still fits the group's record. */
export function fits(subscriptions: readonly SubscriptionRecord[], record: readonly SubscriptionRecord[]): boolean {
  return subscriptions.every(one => record.some(other => isSame(one, other)))
}

/** A subscription as people read it. */
export function shownSubscription(subscriptions: readonly SubscriptionEntry[]): string {
  return subscriptions
    .map(({ topic, type, expression }) => `${topic}: ${type === 'TAG' ? expression : `sql ${expression}`}`)
    .join('; ')
}

/** The record's subscriptions with those wanted in it; undefined where they do not go together. */
function agree(
  { topicSets }: ConsumerRegistration,
  wanted: readonly SubscriptionRecord[],
  { subscriptions }: GroupRecord,
): readonly SubscriptionRecord[] | undefined {
  const unknown = wanted.filter(one => !subscriptions.some(other => other.topic === one.topic))
  const isContradicted = wanted.some(one =>
    subscriptions.some(other => other.topic === one.topic && !isSame(one, other)),
  )
  if (isContradicted) return undefined
  if (topicSets === 'independent') return [...subscriptions, ...unknown]
  return unknown.length === 0 && wanted.length === subscriptions.length ? subscriptions : undefined
}

function isSame(one: SubscriptionRecord, other: SubscriptionRecord): boolean {
  return one.topic === other.topic && one.type === other.type && one.expression === other.expression
}

/** `group~hash8`: the same subscription always gets the same group. */
function isolatedGroup(group: string, wanted: readonly SubscriptionRecord[]): string {
  const text = shownSubscription([...wanted].sort((a, b) => (a.topic < b.topic ? -1 : 1)))
  return group + ISOLATED_SEPARATOR + createHash('sha256').update(text).digest('hex').slice(0, ISOLATED_HASH_CHARS)
}

/** One way of delivering per group, among those who are there. */
function checkDelivery(registration: ConsumerRegistration, live: readonly Member[]): void {
  const other = live.find(member => deliveryOf(member.registration) !== deliveryOf(registration))
  if (other === undefined) return
  const { group } = registration
  const present = deliveryOf(other.registration)
  const wanted = deliveryOf(registration)
  throw new PocketMQError(
    'SUBSCRIPTION_MISMATCH',
    `group '${group}' delivers ${present}; this consumer wants ${wanted}`,
    {
      hint: 'Use another consumer group, or give all consumers of this one the same kind, mode and orderly.',
      details: { group, registered: present, refused: wanted, clientId: other.clientId },
    },
  )
}

/** One strategy per group, where queues have owners, and no queue that two members claim. */
function checkAssignment(registration: ConsumerRegistration, live: readonly Member[]): void {
  if (registration.kind !== 'pull' && registration.order !== 'queue') return
  const { group, assignment } = registration
  for (const { clientId, registration: other } of live) {
    if (!isSameStrategy(assignment, other.assignment)) {
      const [registered, refused] = [strategyName(other.assignment), strategyName(assignment)]
      throw new PocketMQError(
        'SUBSCRIPTION_MISMATCH',
        `group '${group}' shares its queues out by ${registered}; this consumer wants ${refused}`,
        {
          hint: 'Give all consumers of a group the same `assignment`: for a function, the very same one.',
          details: { group, registered, refused, clientId },
        },
      )
    }
    const queue = listedByBoth(assignment, other.assignment)
    if (queue === undefined) continue
    throw new PocketMQError('INVALID_ARGUMENT', `queue ${queue.queueId} of ${queue.topic} is ${clientId}'s already`, {
      hint: 'Name each queue for one consumer of the group.',
      details: { field: 'assignment', group, ...queue, clientId },
    })
  }
}

function strategyName(assignment: Assignment): string {
  if (assignment.kind === 'manual') return 'lists of queues'
  return assignment.kind === 'custom' ? `the function ${assignment.name}` : assignment.kind
}

/** Push and simple share messages out alike; a pull consumer that commits moves the offset by itself. */
function deliveryOf({ kind, model, order }: ConsumerRegistration): string {
  if (kind === 'pull') return 'by position (pull)'
  if (model === 'broadcasting') return 'every message to every instance (broadcasting)'
  if (order === 'none') return 'message by message'
  return order === 'queue' ? 'in order per queue' : 'in order per message group'
}

function mismatch(group: string, wanted: readonly SubscriptionRecord[], record: GroupRecord): PocketMQError {
  const registered = shownSubscription(record.subscriptions)
  const refused = shownSubscription(wanted)
  const { setBy, setAtMs, version } = record
  return new PocketMQError(
    'SUBSCRIPTION_MISMATCH',
    `group '${group}' subscribes to {${registered}} (version ${version}, set by ${setBy} at ${new Date(setAtMs).toISOString()}); this consumer to {${refused}}`,
    {
      hint: "Give all consumers of a group the same subscription, use another group, or choose onSubscriptionMismatch: 'replace', 'wait' or 'isolate'.",
      details: { group, registered, refused, setBy, setAtMs, version },
    },
  )
}
