/**
 * Receives that wait for messages, and who of them gets the next one: the member with the fewest in hand relative to its
 * concurrency; ties in turn.
 */
import { abortError } from '../base/errors.ts'
import type { Alarm, Alarms } from './alarms.ts'
import type { ReceivedMessage, ReceiveRequest } from './core-types.ts'
import type { Lease } from './leases.ts'
import type { Member } from './member.ts'

/** Messages that were given to a receive, by lease. */
export type GivenBatch = {
  readonly lease: Lease
  readonly messages: ReceivedMessage[]
  /** Its messages may have been in hand before. */
  readonly isAgain: boolean
}

/** A receive that is not answered yet. */
export type WaitingReceive = {
  readonly member: Member
  readonly maxMessages: number
  readonly request: ReceiveRequest
  readonly batches: GivenBatch[]
  /** Messages given so far. */
  count: number
  /** It waits for nothing but the reads that are under way. */
  isLook: boolean
  readonly answer: (how: 'found' | 'none' | 'fenced') => void
}

/** The waiting receives of one group, in the order they came. */
export class WaitingReceives {
  readonly #alarms: Alarms
  readonly #list: WaitingReceive[] = []
  readonly #full: WaitingReceive[] = []
  /** What to do when a signal aborts. Each signal is listened to once: a listener for every receive costs more than the rest of its wait. */
  readonly #onAbort = new WeakMap<AbortSignal, Set<() => void>>()
  #turn = 0
  /** How many only look; some of them may have been answered. */
  #looks = 0

  constructor(alarms: Alarms) {
    this.#alarms = alarms
  }

  get size(): number {
    return this.#list.length
  }

  /** Messages they could take now. */
  get room(): number {
    let room = 0
    for (const { maxMessages, count } of this.#list) room += maxMessages - count
    return room
  }

  /** Adds one; `answer` is called once, with what its batches are by then. It has been removed at that time. */
  add(
    member: Member,
    request: ReceiveRequest,
    answer: (how: 'found' | 'none' | 'fenced', batches: readonly GivenBatch[]) => void,
  ): WaitingReceive {
    const batches: GivenBatch[] = []
    const receive: WaitingReceive = {
      member,
      maxMessages: request.maxMessages,
      request,
      batches,
      count: 0,
      isLook: false,
      answer: how => answer(how, batches),
    }
    this.#list.push(receive)
    return receive
  }

  /** Takes it out of the list; false where it was answered before. */
  remove(receive: WaitingReceive): boolean {
    const i = this.#list.indexOf(receive)
    if (i < 0) return false
    this.#list.splice(i, 1)
    return true
  }

  /** Who gets a queue's next message: of those that subscribe to `topic`, or of all, who has room for it; undefined where nobody may. */
  choose(topic: string | undefined, queue: object, sizeBytes: number): WaitingReceive | undefined {
    let best: WaitingReceive | undefined
    for (const receive of this.#list) {
      const { member } = receive
      if (topic !== undefined && !member.topics.has(topic)) continue
      if (best !== undefined && !isBefore(member, best.member)) continue
      if (member.hands?.hasRoom(queue, sizeBytes) === false) continue
      best = receive
    }
    if (best !== undefined) best.member.servedInTurn = ++this.#turn
    return best
  }

  /** The first receive of a member. */
  ofMember(member: Member): WaitingReceive | undefined {
    return this.#list.find(receive => receive.member === member)
  }

  /** A message was given to it: full ones wait no longer. */
  gave(receive: WaitingReceive): void {
    receive.count++
    if (receive.count < receive.maxMessages) return
    this.remove(receive)
    this.#full.push(receive)
  }

  /** It gets no more than it has, though there would be room. */
  close(receive: WaitingReceive): void {
    if (this.remove(receive)) this.#full.push(receive)
  }

  /** Answers those that have something. */
  answerGiven(): void {
    for (const receive of this.#full.splice(0)) receive.answer('found')
    for (let i = 0; i < this.#list.length; ) {
      const receive = this.#list[i] as WaitingReceive
      if (receive.count === 0) {
        i++
        continue
      }
      this.#list.splice(i, 1)
      receive.answer('found')
    }
  }

  /** From now on it waits for nothing but the reads that are under way. */
  look(receive: WaitingReceive): void {
    receive.isLook = true
    this.#looks++
  }

  /** No read is under way: those that only look have seen everything. */
  endLooks(): void {
    if (this.#looks === 0) return
    for (const receive of this.#list.filter(one => one.isLook)) {
      this.remove(receive)
      receive.answer('none')
    }
    this.#looks = 0
  }

  /** Answers those of a member, or all, with what they have. */
  end(how: 'none' | 'fenced', member?: Member): void {
    for (const receive of [...this.#list]) {
      if (member !== undefined && receive.member !== member) continue
      this.remove(receive)
      receive.answer(receive.count > 0 ? 'found' : how)
    }
  }

  /** Ends the wait of a receive when its time is over or its caller goes. */
  limit(
    receive: WaitingReceive,
    waitMs: number,
    signal: AbortSignal | undefined,
    reject: (error: Error) => void,
  ): () => void {
    let alarm: Alarm | undefined
    const aborts = signal === undefined ? undefined : this.#abortsOf(signal)
    const onAbort = (): void => {
      this.#alarms.cancel(alarm)
      if (this.remove(receive)) reject(abortError(signal as AbortSignal))
    }
    if (Number.isFinite(waitMs)) {
      alarm = this.#alarms.in(waitMs, () => {
        if (this.remove(receive)) receive.answer('none')
      })
    }
    aborts?.add(onAbort)
    return () => {
      this.#alarms.cancel(alarm)
      aborts?.delete(onAbort)
    }
  }

  #abortsOf(signal: AbortSignal): Set<() => void> {
    let aborts = this.#onAbort.get(signal)
    if (aborts === undefined) {
      const added = new Set<() => void>()
      // It holds nothing but the receives that wait: a signal may live longer than its group.
      const run = (): void => {
        const all = [...added]
        added.clear()
        for (const abort of all) abort()
      }
      signal.addEventListener('abort', run, { once: true })
      this.#onAbort.set(signal, added)
      aborts = added
    }
    return aborts
  }
}

function isBefore(one: Member, other: Member): boolean {
  const difference = one.load - other.load
  return difference === 0 ? one.servedInTurn < other.servedInTurn : difference < 0
}
