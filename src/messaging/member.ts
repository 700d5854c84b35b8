/** One consumer that is in a group: what it said when it joined, and how much it has in hand. */
import type { ConsumerRegistration, MemberView } from './core-types.ts'
import type { Hands } from './in-hand.ts'

/** A live member of a group. */
export class Member {
  readonly clientId: string
  readonly registration: ConsumerRegistration
  readonly joinedMs: number
  /** Topics it subscribes to. */
  readonly topics: ReadonlySet<string>
  /** Bounds what it may have in hand; a member that handles what it gets has as much as it works on. */
  readonly hands: Hands | undefined
  /** Messages it has and has not ended. */
  inFlight = 0
  /** The turn in which it was last given a message: ties are served in turn. */
  servedInTurn = 0
  /** Another subscription has replaced its own: what it has it may end, but it gets no more. */
  isFenced = false

  constructor(clientId: string, registration: ConsumerRegistration, joinedMs: number, hands?: Hands) {
    this.clientId = clientId
    this.registration = registration
    this.joinedMs = joinedMs
    this.hands = hands
    this.topics = new Set(registration.subscriptions.map(entry => entry.topic))
  }

  /** How busy it is, relative to what it can do at once. */
  get load(): number {
    return this.inFlight / this.registration.concurrency
  }

  view(): MemberView {
    const { kind, model, order, subscriptions, concurrency } = this.registration
    const { clientId, inFlight, joinedMs } = this
    return { clientId, kind, model, order, subscriptions, concurrency, inFlight, joinedMs }
  }
}
