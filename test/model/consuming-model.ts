/**
 * A hundred lines that say what consumers may see, and a system to hold against them. The model knows every message sent, who
 * has it in hand, when it may come again, and whether it is done; each delivery is checked against that as it happens.
 */
import { expect } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { ManualClock } from '../../src/testing/manual-clock.ts'
import { mustBe } from './must-be.ts'

/** How messages of a group are delivered. */
export type Order = 'none' | 'queue' | 'group'

export const RETRIES_MAX = 1
/** The wait after the first failure: RocketMQ's level 3 for shared messages, a second in place for ordered ones. */
const SHARED_WAIT_MS = 10_000
const IN_PLACE_MS = 1000
const TIMEOUT_RETRY_MS = 10_000

/** A message, as the model knows it. */
export type Sent = {
  readonly body: string
  readonly group: string
  queueId: number
  /** -1: it is delayed, and not in its queue yet. */
  queueOffset: number
  readonly isDelayed: boolean
  state: 'open' | 'done' | 'dead'
  failures: number
  /** It does not come again before. */
  dueMs: number
  /** A power cut took what was known of it: it may come again. */
  mayRepeat: boolean
  /** A power cut may have taken it. */
  mayBeLost: boolean
  inHand: InHand | undefined
  deliveries: number
}

/** A message that a member has. */
export type InHand = {
  readonly message: Sent
  readonly member: string
  readonly kind: 'push' | 'simple'
  /** When its time is over. */
  deadlineMs: number
  /** Ends it, in the system. Answers nothing; the model is told by `ended`. */
  end: (outcome: 'ack' | 'fail') => Promise<void>
}

/** The model. */
export class ConsumingModel {
  readonly order: Order
  readonly clock: ManualClock
  sent: Sent[] = []
  readonly #byBody = new Map<string, Sent>()
  #count = 0

  constructor(order: Order, clock: ManualClock) {
    this.order = order
    this.clock = clock
  }

  nextBody(): string {
    return `m${this.#count++}`
  }

  wasSent(body: string, group: string, queueId: number, queueOffset: number, dueMs = 0): void {
    const unknown = { mayRepeat: false, mayBeLost: false, inHand: undefined }
    const message: Sent = {
      ...{ body, group, queueId, queueOffset, dueMs, isDelayed: dueMs > 0, state: 'open', failures: 0, deliveries: 0 },
      ...unknown,
    }
    this.sent.push(message)
    this.#byBody.set(body, message)
  }

  /** Checks a delivery; the message is in hand from here on. */
  delivered(view: MessageView, member: string, hand: Pick<InHand, 'kind' | 'deadlineMs' | 'end'>): InHand {
    const message = this.#byBody.get(view.body.toString())
    expect(message, `delivered ${view.body} was sent`).toBeDefined()
    this.expireOverdue()
    const sent = message as Sent
    const who = `${sent.body} (${sent.queueId}/${sent.queueOffset}) to ${member}`
    if (!sent.mayRepeat) mustBe(sent.state, 'open', `${who} is not done`)
    mustBe(sent.inHand?.member, undefined, `${who} is in nobody's hand`)
    mustBe(this.clock.nowMs() >= sent.dueMs, true, `${who} comes not early`)
    mustBe(view.topic, 'orders', who)
    if (!sent.mayRepeat) mustBe(view.deliveryAttempt, sent.failures + 1, `${who} counts its attempts`)
    for (const before of this.#mustPrecede(sent)) {
      mustBe(before.state !== 'open', true, `${before.body} is done before ${who}`)
    }
    sent.state = 'open'
    sent.mayBeLost = false
    if (sent.queueOffset < 0 && view.deliveryAttempt === 1) {
      sent.queueId = view.queueId
      sent.queueOffset = view.queueOffset
    }
    sent.deliveries++
    sent.inHand = { message: sent, member, ...hand }
    return sent.inHand
  }

  /** A member has ended it. */
  ended(hand: InHand, outcome: 'ack' | 'fail'): void {
    const { message } = hand
    message.inHand = undefined
    if (outcome === 'ack') message.state = 'done'
    else this.#failed(message, hand.kind === 'simple' ? 0 : undefined, this.clock.nowMs())
  }

  /** Its time was over. */
  expired(hand: InHand): void {
    hand.message.inHand = undefined
    const waitMs = hand.kind === 'simple' ? 0 : this.order === 'none' ? TIMEOUT_RETRY_MS : undefined
    this.#failed(hand.message, waitMs, hand.deadlineMs)
  }

  /** Whose time is over by now, in that order. */
  expireOverdue(): void {
    const overdue = this.inHand.filter(hand => hand.deadlineMs <= this.clock.nowMs())
    for (const hand of overdue.sort((a, b) => a.deadlineMs - b.deadlineMs)) this.expired(hand)
  }

  /** Its member is gone. */
  released(hand: InHand): void {
    hand.message.inHand = undefined
  }

  /** Everybody is gone with the process. Attempts in place were counted in memory alone. */
  killed(): void {
    for (const message of this.sent) {
      message.inHand = undefined
      if (this.order !== 'none') {
        message.failures = 0
        message.dueMs = 0
      }
    }
  }

  /** After a power cut only the messages below each queue's end are there, and what was known of them may be lost. */
  powerCut(endOf: (queueId: number) => number): void {
    this.killed()
    this.sent = this.sent.filter(message => message.isDelayed || message.queueOffset < endOf(message.queueId))
    this.#byBody.clear()
    for (const message of this.sent) {
      message.mayRepeat = true
      if (message.isDelayed) message.mayBeLost = true
      if (message.isDelayed && message.queueOffset >= endOf(message.queueId)) message.queueOffset = -1
      if (!message.isDelayed || message.failures > 0) message.dueMs = 0
      this.#byBody.set(message.body, message)
    }
  }

  /** The commit is above no unfinished message, unless a retry copy settled it. */
  checkCommitted(queueId: number, committed: number): void {
    for (const { body, queueId: at, queueOffset, state, failures, mayRepeat } of this.sent) {
      if (at !== queueId || queueOffset < 0 || queueOffset >= committed || mayRepeat) continue
      const isSettled = state !== 'open' || (this.order === 'none' && failures > 0)
      mustBe(isSettled, true, `${body} (${queueId}/${queueOffset}) is below the commit ${committed}`)
    }
  }

  /** Records each topic has in the end, where nothing was lost: none is doubled, and none is missing. */
  get counts(): { readonly orders: number; readonly retries: number; readonly dead: number } {
    const dead = this.sent.filter(message => message.state === 'dead').length
    const failures = this.sent.reduce((sum, message) => sum + message.failures, 0)
    return { orders: this.sent.length, retries: this.order === 'none' ? failures - dead : 0, dead }
  }

  get inHand(): InHand[] {
    return this.sent.flatMap(message => (message.inHand === undefined ? [] : [message.inHand]))
  }

  #failed(message: Sent, waitMs: number | undefined, atMs: number): void {
    message.failures++
    if (message.failures > RETRIES_MAX) message.state = 'dead'
    const ofPolicy = this.order === 'none' ? SHARED_WAIT_MS : IN_PLACE_MS
    message.dueMs = atMs + (waitMs ?? ofPolicy)
  }

  #mustPrecede(message: Sent): Sent[] {
    if (this.order === 'none') return []
    return this.sent.filter(other => {
      const isBefore = other.queueId === message.queueId && other.queueOffset < message.queueOffset
      return isBefore && !other.mayRepeat && (this.order === 'queue' || other.group === message.group)
    })
  }
}
