/** A consumer's whole subscription: its lines, compiled, and as the group's record has them. */
import type { SubscriptionRecord } from '../codec/groups-json.ts'
import type { SubscriptionEntry } from './core-types.ts'
import { checkTopicName } from './limits.ts'
import type { CompiledSubscription } from './subscription-expression.ts'
import { compileSubscription } from './subscription-expression.ts'

/** Compiled by topic; of two lines for one topic the later holds. @throws INVALID_ARGUMENT */
export function compileSubscriptions(
  subscriptions: readonly SubscriptionEntry[],
): ReadonlyMap<string, CompiledSubscription> {
  const byTopic = new Map<string, CompiledSubscription>()
  for (const { topic, type, expression } of subscriptions) {
    checkTopicName(topic)
    byTopic.set(topic, compileSubscription(type === 'TAG' ? expression : { sql: expression }))
  }
  return byTopic
}

/** As the group's record has them: canonical, sorted by topic. */
export function canonicalSubscriptions(subscriptions: ReadonlyMap<string, CompiledSubscription>): SubscriptionRecord[] {
  const list = [...subscriptions].map(([topic, { kind, canonical: expression }]) => ({ topic, type: kind, expression }))
  return list.sort((a, b) => (a.topic < b.topic ? -1 : 1))
}
