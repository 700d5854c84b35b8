/** What every consumer object stands on. */
import type { Clock } from '../base/clock.ts'
import type { Alarms } from './alarms.ts'
import { newClientId } from './client-id.ts'
import type { ClientContext } from './core-types.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Events } from './events.ts'
import type { FairTurns } from './fair-turns.ts'

/** Given by the facade. */
export type ConsumerParts = {
  readonly core: DeliveryCore
  readonly clock: Clock
  /** By the monotonic clock. */
  readonly alarms: Alarms
  readonly events: Events
  /** Shared by all consumers: however many there are, the event loop turns in time. */
  readonly turns: FairTurns
  readonly random: () => number
  readonly connectionId: string
  /** Called once, when the consumer has closed. */
  readonly onClose: (consumer: { close(): Promise<void> }) => void
}

/** Who a new consumer is: by its instance name, else unique. */
export function consumerContext(parts: ConsumerParts, group: string, instanceName: string | undefined): ClientContext {
  const clientId = `${instanceName ?? newClientId(parts.random)}@${group}`
  return { clientId, connectionId: parts.connectionId, language: 'nodejs' }
}
