package pocketmq.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

import com.alibaba.fastjson2.JSONObject;

/** Counts operations from the end of the warm-up on, for as long as was asked. */
final class Clock {
    private static final int SECTOR_BYTES = 512;
    private static final int SECTORS_WRITTEN = 6;

    final LongAdder operations = new LongAdder();
    private final JSONObject request;
    private final Histogram latency = new Histogram();
    private final long warmAt;
    private final long endsAt;
    private volatile boolean isWarm;
    private long countedBefore;
    private long onDeviceBefore;
    private long warmedAt;
    private long pausedNanos;

    Clock(JSONObject request) {
        this.request = request;
        this.warmAt = System.nanoTime() + (long) (request.getDoubleValue("warmUpSeconds") * 1e9);
        this.endsAt = warmAt + (long) (request.getDoubleValue("seconds") * 1e9);
    }

    /** To be asked by every thread before each operation. */
    boolean isOver() {
        long now = System.nanoTime();
        if (!isWarm && now >= warmAt) {
            begin(now);
        }
        return now >= endsAt;
    }

    void took(long nanoseconds) {
        if (isWarm) {
            latency.add(nanoseconds);
        }
    }

    /** What was done since `from` is no part of what is measured. Only where one thread works. */
    void pausedSince(long from) {
        pausedNanos += System.nanoTime() - from;
    }

    private synchronized void begin(long now) {
        if (isWarm) {
            return;
        }
        countedBefore = operations.sum();
        onDeviceBefore = onDevice();
        warmedAt = now;
        pausedNanos = 0;
        isWarm = true;
    }

    Map<String, Object> answer(Map<String, Object> figures, String configuration) {
        long counted = operations.sum() - countedBefore;
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("operations", counted);
        answer.put("seconds", (System.nanoTime() - warmedAt - pausedNanos) / 1e9);
        answer.put("bytes", counted * request.getLongValue("size"));
        if (onDeviceBefore >= 0) {
            answer.put("deviceBytes", onDevice() - onDeviceBefore);
        }
        if (latency.count() > 0) {
            answer.put("latencies", latency.summary());
        }
        answer.put("figures", figures);
        answer.put("configuration", configuration);
        return answer;
    }

    private long onDevice() {
        String stat = request.getString("deviceStat");
        try {
            return stat == null ? -1
                : Long.parseLong(Files.readString(Path.of(stat)).trim().split("\\s+")[SECTORS_WRITTEN]) * SECTOR_BYTES;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
