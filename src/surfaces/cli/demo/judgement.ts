/** The demo's claims, and whether they hold. */
import { countText } from '../figures.ts'
import type { Claim, ReadFigures, SentFigures } from './claims.ts'
import type { Consumed } from './consume-phase.ts'
import type { Produced } from './produce-phase.ts'

/** Everything the claims are about. */
export type Evidence = {
  readonly sent: SentFigures
  readonly read: ReadFigures
  readonly produced: Produced
  readonly consumed: Consumed
  /** Messages the group has not consumed, as the folder says. */
  readonly lag: number
  readonly findings: number
  /** Flights that may be handled twice: what the consumers had in work when they were killed. */
  readonly repeatedMax: number
  readonly plannedKills: number
}

/** Each claim with what was found. */
export function claimsOf(evidence: Evidence): readonly Claim[] {
  const { sent, read, produced, consumed, lag, findings, repeatedMax, plannedKills } = evidence
  const kills = produced.runs.filter(run => run.killed).length
  const lostAtReopen = produced.runs.reduce((sum, run) => sum + run.lost, 0)
  return [
    claim(`the sending process was killed ${plannedKills} times in the middle`, kills === plannedKills, kills),
    claim('after each kill every acknowledged flight was there, byte for byte', lostAtReopen === 0, lostAtReopen),
    claim(
      'every flight was acknowledged in the end, on the device',
      everyAcknowledged(sent, produced),
      sent.acknowledged,
    ),
    claim('no acknowledged flight is lost', sent.lost === 0, sent.lost),
    claim(
      'each duplicate is a flight whose acknowledgement a kill had cut off',
      sent.unexplained === 0,
      sent.unexplained,
    ),
    claim('each airport lies in the order of departure', sent.outOfOrder === 0, sent.outOfOrder),
    claim(
      'a consumer broke down and their process was killed',
      consumed.breakDown !== undefined && consumed.runs.length > 1,
      consumed.runs.length - 1,
    ),
    claim(
      'what the broken consumer held was handled by another',
      isTakenOver(consumed),
      consumed.breakDown?.flight ?? -1,
    ),
    claim('the group handled every message', read.unread === 0 && lag === 0, read.unread + lag),
    claim('each airport was handled in order', read.outOfOrder === 0, read.outOfOrder),
    claim(`the kill repeated at most the ${repeatedMax} messages in work`, read.repeated <= repeatedMax, read.repeated),
    claim('an audit of every byte finds nothing', findings === 0, findings),
  ]
}

function claim(says: string, holds: boolean, found: number): Claim {
  return { says, holds, found: countText(found) }
}

function everyAcknowledged(sent: SentFigures, produced: Produced): boolean {
  return sent.acknowledged === sent.flights && produced.weakReceipts === 0
}

/** Whether the flight a consumer broke down with was handled later, by one of the others or in the next process. */
function isTakenOver({ runs, breakDown }: Consumed): boolean {
  if (breakDown === undefined) return false
  return runs.some((run, i) =>
    run.some(
      ({ flight, consumer }, position) =>
        flight === breakDown.flight &&
        (i > breakDown.run || (i === breakDown.run && position >= breakDown.after && consumer !== breakDown.consumer)),
    ),
  )
}
