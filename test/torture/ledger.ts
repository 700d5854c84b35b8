/**
 * The log of acknowledgements that is kept outside a tortured folder: what its processes have said, life by life, held against
 * what is found in it afterwards. Two promises: after a kill everything that was acknowledged is there; after a power cut what
 * was acknowledged at `disk`, and consumers may get again what they had acknowledged.
 */
import type { Durability } from '../../src/store/message-store.ts'
import type { Start } from './group-order.ts'
import { brokenGroupOrder } from './group-order.ts'
import type { Kind } from './lines.ts'
import { BATCH_MESSAGES, GROUPS, TOPIC_OF } from './lines.ts'

/** What was survived, and so what must be there. */
export type Survived = 'kill' | 'power-cut'

/** A message that was sent, or was about to be. */
type Intent = {
  readonly kind: Kind
  readonly key: string
  /** Its place among all that were sent. */
  readonly index: number
  acknowledged?: { readonly level: Durability; readonly place: string | undefined }
  half?: Durability
  /** `queueId/queueOffset` where it lies. */
  stored?: string
  isDead: boolean
  /** Copies among the dead letters. */
  deadLetters: number
  /** By group. Who failed must get it again; who has ended must not, unless a power cut may have taken that. */
  readonly got: Map<string, 'got' | 'failed' | 'ended' | 'ended-perhaps'>
}

/** Where a message was found, and what lies before it there. */
type Found = { readonly topic: string; readonly place: string; readonly before: Intent | undefined }

const PLACED: ReadonlySet<Kind> = new Set(['plain', 'batch', 'grouped'])
const NEVER_STORED: ReadonlySet<Kind> = new Set(['rolled-back', 'asked-rollback'])

/** All that was said about one folder. */
export class Ledger {
  readonly #intents = new Map<string, Intent>()
  /** Ids by queue, in order; holes where a listing was cut off do not happen: a queue is listed from what is known. */
  readonly #queues = new Map<string, string[]>()
  readonly #starts: Start[] = []
  readonly #lives: string[] = []
  readonly #findings: string[] = []
  /** Errors that PocketMQ gave, by `CODE ERRNO`. */
  readonly errors = new Map<string, number>()
  acknowledgements = 0
  /** Messages that consumers got again although nothing had failed: in flight when their process died. */
  repeats = 0
  opens = 0
  #life = 0
  #hasFailedOffsets = false
  /** What the folder survives between its lives. */
  #survived: Survived = 'kill'

  /** What is wrong; empty where all is well. */
  get findings(): readonly string[] {
    return this.#findings
  }

  /** A ledger of the same lives, and what the present one has said so far. */
  fork(text: string): Ledger {
    const fork = new Ledger()
    for (const life of this.#lives) fork.add(life)
    fork.add(text)
    return fork
  }

  /** For the next process: how many messages of each queue are known. */
  known(): Record<string, number> {
    return Object.fromEntries([...this.#queues].map(([queue, ids]) => [queue, ids.length]))
  }

  /** For a process that drains: what each group has to get that it has not ended. */
  wanted(survived: Survived): Record<string, string[]> {
    const wanted: Record<string, string[]> = {}
    for (const [group, topics] of Object.entries(GROUPS)) {
      wanted[group] = [...this.#intents]
        .filter(([, one]) => topics.includes(TOPIC_OF[one.kind]) && mustBeThere(one, survived) && isOwed(one, group))
        .map(([id]) => id)
    }
    return wanted
  }

  /** Everything that one life has said. */
  add(text: string): void {
    this.#lives.push(text)
    this.#life++
    this.#hasFailedOffsets = false
    // The last line may be cut off: it was not said.
    for (const line of text.split('\n').slice(0, -1)) this.#hear(line.split(' '), line)
  }

  /** What follows is said about an image of the folder that a power cut has left. */
  cutPower(): void {
    this.#survived = 'power-cut'
    this.#queues.clear()
    for (const one of this.#intents.values()) {
      delete one.stored
      one.isDead = false
      one.deadLetters = 0
      for (const [group, state] of one.got) if (state !== 'failed') one.got.set(group, 'ended-perhaps')
    }
  }

  /** Holds everything against everything, when the folder has been drained and listed. */
  checkDrained(survived: Survived): void {
    for (const [id, one] of this.#intents) {
      if (mustBeThere(one, survived) && one.stored === undefined) this.#find(`${one.kind} ${id} is lost`)
      if (one.stored === undefined) continue
      for (const [group, topics] of Object.entries(GROUPS)) {
        if (topics.includes(TOPIC_OF[one.kind]) && isOwed(one, group))
          this.#find(`${group} never got ${one.kind} ${id}`)
      }
      if (one.deadLetters > 1 || (one.isDead && one.deadLetters === 0))
        this.#find(`${one.kind} ${id} has ${one.deadLetters} dead letters`)
    }
    this.#checkBatches()
    for (const complaint of brokenGroupOrder(this.#starts, this.#keys('grouped'))) this.#find(complaint)
  }

  #hear(words: readonly string[], line: string): void {
    const [what, first = '', second = '', third = '', fourth = ''] = words
    if (what === '>') this.#intend(first, second as Kind, third)
    else if (what === '+') this.#acknowledge(first, second as Durability, third, fourth)
    else if (what === '~') this.#halved(first, second as Durability)
    else if (what === '<') this.#got(first, second)
    else if (what === 'n') this.#intents.get(second)?.got.set(first, 'failed')
    else if (what === 'a' || what === 'd') this.#end(first, second, what === 'd')
    else if (what === '=') this.#list(first, second, Number(third), fourth)
    else if (what === '!') this.#failed(first, `${second} ${third}`)
    else if (what === 'O') this.#opened()
    else if (what === 'x') this.#find(line.slice(2))
    else if (what !== 'e') this.#find(`a line nobody knows: ${line}`)
  }

  #halved(id: string, level: Durability): void {
    const one = this.#intents.get(id)
    if (one !== undefined) one.half = level
  }

  #failed(where: string, given: string): void {
    if (where === 'writing-offsets') this.#hasFailedOffsets = true
    const error = given.replace(' -', '')
    this.errors.set(error, (this.errors.get(error) ?? 0) + 1)
  }

  #intend(id: string, kind: Kind, key: string): void {
    this.#intents.set(id, { kind, key, index: this.#intents.size, isDead: false, deadLetters: 0, got: new Map() })
  }

  #acknowledge(id: string, level: Durability, queueId: string, queueOffset: string): void {
    this.acknowledgements++
    const place = queueId === '-' ? undefined : `${queueId}/${queueOffset}`
    const one = this.#intents.get(id)
    if (one === undefined) this.#find(`${id} was acknowledged and never sent`)
    else one.acknowledged = { level, place }
  }

  #got(group: string, id: string): void {
    const one = this.#intents.get(id)
    if (one === undefined) {
      this.#find(`${group} got ${id}, which was never sent`)
      return
    }
    if (NEVER_STORED.has(one.kind)) this.#find(`${group} got ${id}, which was rolled back`)
    const before = one.got.get(group)
    if (before === 'ended') this.#find(`${group} got ${one.kind} ${id} again after its acknowledgement`)
    if (before !== undefined && before !== 'failed') this.repeats++
    else one.got.set(group, 'got')
    if (group === 'fifo') this.#starts.push({ life: this.#life, id, key: one.key })
  }

  #end(group: string, id: string, isDead: boolean): void {
    const one = this.#intents.get(id)
    if (one === undefined) return
    if (isDead) one.isDead = true
    // Where offsets cannot be written they are kept in memory, and a kill forgets them: said by an `error` event.
    one.got.set(group, this.#hasFailedOffsets ? 'ended-perhaps' : 'ended')
  }

  #list(topic: string, queueId: string, queueOffset: number, id: string): void {
    const queue = `${topic}/${queueId}`
    const ids = this.#queues.get(queue) ?? []
    this.#queues.set(queue, ids)
    const one = this.#intents.get(id)
    if (queueOffset < ids.length) {
      if (ids[queueOffset] !== id) this.#find(`${queue}/${queueOffset} was ${ids[queueOffset]} and is ${id}`)
      return
    }
    if (queueOffset > ids.length) this.#find(`${queue}: after ${ids.length} comes ${queueOffset}`)
    const before = this.#intents.get(ids.at(-1) ?? '')
    ids[queueOffset] = id
    if (one === undefined) this.#find(`${queue}/${queueOffset} is ${id}, which was never sent`)
    else if (topic.startsWith('%DLQ%')) one.deadLetters++
    else this.#store(id, one, { topic, place: `${queueId}/${queueOffset}`, before })
  }

  #store(id: string, one: Intent, { topic, place, before }: Found): void {
    if (TOPIC_OF[one.kind] !== topic) this.#find(`${one.kind} ${id} is in ${topic}/${place}`)
    if (NEVER_STORED.has(one.kind)) this.#find(`${one.kind} ${id} is in ${topic}/${place}`)
    if (one.stored !== undefined) this.#find(`${one.kind} ${id} is there twice: ${one.stored}, ${place}`)
    one.stored = place
    const told = one.acknowledged?.place
    if (told !== undefined && told !== place) this.#find(`${id} was acknowledged at ${told} and lies at ${place}`)
    if (PLACED.has(one.kind) && before !== undefined && before.index > one.index)
      this.#find(`disorder: ${id} comes after what was sent after it in ${topic}/${place}`)
  }

  /** A life has begun: what those before it had acknowledged must be there. */
  #opened(): void {
    this.opens++
    for (const [id, one] of this.#intents) {
      const isLost = PLACED.has(one.kind) && one.acknowledged !== undefined && one.stored === undefined
      if (isLost && mustBeThere(one, this.#survived)) this.#find(`${one.kind} ${id} is lost`)
    }
  }

  #checkBatches(): void {
    for (const [key, ids] of this.#keys('batch')) {
      const count = ids.filter(id => this.#intents.get(id)?.stored !== undefined).length
      if (count > 0 && count !== BATCH_MESSAGES) this.#find(`batch ${key} has ${count} of its messages`)
    }
  }

  /** Ids of a kind by key, in the order they were sent; of groups, those that are stored. */
  #keys(kind: 'batch' | 'grouped'): Map<string, string[]> {
    const keys = new Map<string, string[]>()
    for (const [id, one] of this.#intents) {
      if (one.kind !== kind || (kind === 'grouped' && one.stored === undefined)) continue
      const ids = keys.get(one.key)
      if (ids === undefined) keys.set(one.key, [id])
      else ids.push(id)
    }
    return keys
  }

  #find(complaint: string): void {
    if (this.#findings.length < 20) this.#findings.push(`life ${this.#life}: ${complaint}`)
  }
}

/** Whether a group must get it, or must get it again. */
function isOwed({ got }: Intent, group: string): boolean {
  const state = got.get(group)
  return state === undefined || state === 'failed'
}

function mustBeThere({ kind, acknowledged, half }: Intent, survived: Survived): boolean {
  const isKept = (level: Durability | undefined): boolean =>
    level !== undefined && (survived === 'kill' || level === 'disk')
  if (kind === 'committed') return isKept(half) || isKept(acknowledged?.level)
  if (kind === 'asked-commit') return isKept(half)
  return !NEVER_STORED.has(kind) && isKept(acknowledged?.level)
}
