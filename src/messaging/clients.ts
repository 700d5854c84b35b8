/**
 * Who is here: clients by id, what they produce for, and the events each of them has to be told.
 * The core never calls a client: it leaves an event, and the client asks.   RocketMQ: ProducerManager, ConsumerManager.
 */
import { abortError, PocketMQError } from '../base/errors.ts'
import type { ClientContext, ClientEvent } from './core-types.ts'

/** At most so many events wait for one client; the oldest repeatable ones go first. */
const EVENTS_WAITING_MAX = 1024

type Client = {
  readonly clientId: string
  readonly connectionId: string | undefined
  readonly producerGroups: Set<string>
  readonly events: ClientEvent[]
  waiting: (() => void) | undefined
}

/** What a client says when it comes. */
export type ClientRegistration = {
  readonly clientId: string
  readonly connectionId?: string
  readonly producerGroups?: readonly string[]
  /** The id was chosen by the user: a second live holder is refused. */
  readonly isNamed?: boolean
}

/** The clients that are alive. */
export class Clients {
  readonly #clients = new Map<string, Client>()
  #isClosed = false

  /** @throws INSTANCE_ID_IN_USE where a live client holds that name already */
  register(registration: ClientRegistration): void {
    const { clientId, connectionId, producerGroups = [], isNamed = false } = registration
    const known = this.#clients.get(clientId)
    if (known !== undefined && isNamed) throw inUse(clientId)
    if (known === undefined) {
      const groups = new Set(producerGroups)
      this.#clients.set(clientId, { clientId, connectionId, producerGroups: groups, events: [], waiting: undefined })
    } else {
      for (const group of producerGroups) known.producerGroups.add(group)
    }
  }

  /** Whoever waits for this client's events is answered with none. */
  unregister(clientId: string): void {
    const client = this.#clients.get(clientId)
    if (client === undefined) return
    this.#clients.delete(clientId)
    client.waiting?.()
  }

  /** Ids of the clients on a connection. */
  onConnection(connectionId: string): readonly string[] {
    const ids: string[] = []
    for (const client of this.#clients.values()) if (client.connectionId === connectionId) ids.push(client.clientId)
    return ids
  }

  /** Ids of live clients that produce for the group, sorted. */
  ofProducerGroup(group: string): readonly string[] {
    const ids: string[] = []
    for (const client of this.#clients.values()) if (client.producerGroups.has(group)) ids.push(client.clientId)
    return ids.sort()
  }

  isAlive(clientId: string): boolean {
    return this.#clients.has(clientId)
  }

  /** Leaves an event for a client. False where there is no such client. */
  emit(clientId: string, event: ClientEvent): boolean {
    const client = this.#clients.get(clientId)
    if (client === undefined) return false
    if (event.kind === 'ids-changed' && client.events.some(waits => isSame(waits, event))) return true
    if (client.events.length >= EVENTS_WAITING_MAX) client.events.shift()
    client.events.push(event)
    client.waiting?.()
    return true
  }

  /** Resolves with at least one event, or with none once the client has gone. One waiter a client. */
  async nextEvents(ctx: ClientContext, signal?: AbortSignal): Promise<readonly ClientEvent[]> {
    const client = this.#clients.get(ctx.clientId)
    if (client === undefined || this.#isClosed) return []
    if (client.events.length === 0) await this.#wait(client, signal)
    return client.events.splice(0)
  }

  /** The same, as a loop. It ends when the client has gone. */
  async *events(clientId: string, signal?: AbortSignal): AsyncGenerator<ClientEvent> {
    while (true) {
      const events = await this.nextEvents({ clientId }, signal)
      if (events.length === 0) return
      yield* events
    }
  }

  /** Every client is gone. */
  close(): void {
    this.#isClosed = true
    for (const clientId of [...this.#clients.keys()]) this.unregister(clientId)
  }

  #wait(client: Client, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortError(signal))
        return
      }
      const onAbort = (): void => {
        client.waiting = undefined
        reject(abortError(signal as AbortSignal))
      }
      client.waiting = () => {
        client.waiting = undefined
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}

function isSame(one: ClientEvent, other: ClientEvent): boolean {
  return one.kind === 'ids-changed' && other.kind === 'ids-changed' && one.group === other.group
}

function inUse(clientId: string): PocketMQError {
  return new PocketMQError('INSTANCE_ID_IN_USE', `instance '${clientId}' is alive already (pid ${process.pid})`, {
    hint: 'Close the other consumer of that name first, choose another instanceName, or leave it out.',
    details: { clientId, pid: process.pid },
  })
}
