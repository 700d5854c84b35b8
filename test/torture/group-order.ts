/** Whether an ordered consumer was handed the messages of every message group in their order. */

/** A message of a group that was handed to its ordered consumer. */
export type Start = { readonly life: number; readonly id: string; readonly key: string }

/**
 * Within a life each message follows the one before it in its group, or is the same one again. A new life may begin with any
 * that was handed out before: what was in flight when the process died comes again, and nothing is left out.
 */
export function brokenGroupOrder(starts: readonly Start[], stored: ReadonlyMap<string, readonly string[]>): string[] {
  const complaints: string[] = []
  const places = new Map([...stored.values()].flatMap(ids => ids.map((id, i) => [id, i] as const)))
  const last = new Map<string, { readonly life: number; readonly place: number }>()
  for (const { life, id, key } of starts) {
    const place = places.get(id)
    // Not stored in this image: a power cut took it.
    if (place === undefined) continue
    const before = last.get(key) ?? { life, place: -1 }
    const isNext = place === before.place || place === before.place + 1
    const isAgain = life !== before.life && place <= before.place
    if (!isNext && !isAgain) complaints.push(`disorder: life ${life} got ${id} of group ${key} out of its turn`)
    last.set(key, { life, place })
  }
  return complaints
}
