package pocketmq.bench;

import java.util.LinkedHashMap;
import java.util.Map;

import com.alibaba.fastjson2.JSONObject;

import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;

/** Chronicle Queue with one appender: a memory-mapped log that leaves flushing to the operating system. */
public final class Chronicle implements Peer {
    private static final long FILLED_BYTES = 400_000_000;
    private static final int OVERHEAD_BYTES = 300;

    public static void main(String[] arguments) throws Exception {
        Peer.serve(new Chronicle());
    }

    @Override
    public Map<String, Object> measure(JSONObject request) throws Exception {
        return switch (request.getString("workload")) {
            case "append" -> append(request);
            case "read" -> read(request);
            case "fill" -> fill(request);
            case "open" -> open(request);
            default -> null;
        };
    }

    private static Map<String, Object> append(JSONObject request) {
        if (request.getString("durability").equals("disk")) {
            throw new UnsupportedOperationException("it does not flush each message");
        }
        try (ChronicleQueue queue = queueIn(request); ExcerptAppender appender = queue.createAppender()) {
            Bytes<?> body = Bytes.wrapForRead(Peer.body(request.getIntValue("size")));
            Clock clock = new Clock(request);
            for (long i = 0; !clock.isOver(); i++) {
                long called = System.nanoTime();
                put(appender, body);
                if (i % 64 == 0) {
                    clock.took(System.nanoTime() - called);
                }
                clock.operations.increment();
            }
            return clock.answer(new LinkedHashMap<>(), configuration());
        }
    }

    private static Map<String, Object> read(JSONObject request) {
        int size = request.getIntValue("size");
        try (ChronicleQueue queue = queueIn(request); ExcerptAppender appender = queue.createAppender()) {
            fill(appender, size, FILLED_BYTES);
        }
        boolean isFirst = "first".equals(request.getJSONObject("settings").getString("pass"));
        Clock clock = new Clock(request);
        if (!isFirst) {
            try (ChronicleQueue queue = queueIn(request)) {
                while (!clock.isOver()) {
                    readAll(queue, size, clock);
                }
            }
        }
        while (!clock.isOver()) {
            long paused = System.nanoTime();
            ChronicleQueue queue = queueIn(request);
            clock.pausedSince(paused);
            readAll(queue, size, clock);
            paused = System.nanoTime();
            queue.close();
            clock.pausedSince(paused);
        }
        return clock.answer(new LinkedHashMap<>(), configuration());
    }

    private static void readAll(ChronicleQueue queue, int size, Clock clock) {
        Bytes<?> into = Bytes.allocateElasticOnHeap(size);
        byte[] body = new byte[size];
        try (ExcerptTailer tailer = queue.createTailer().toStart()) {
            for (into.clear(); !clock.isOver() && tailer.readBytes(into); into.clear()) {
                into.read(body);
                clock.operations.increment();
            }
        }
    }

    /** Writes `bytes` of messages, then closes, or stays open for whoever kills it. */
    private static Map<String, Object> fill(JSONObject request) {
        JSONObject settings = request.getJSONObject("settings");
        int size = request.getIntValue("size");
        if (settings.getString("ends").equals("closed")) {
            try (ChronicleQueue queue = queueIn(request); ExcerptAppender appender = queue.createAppender()) {
                fill(appender, size, settings.getLongValue("bytes"));
            }
        } else {
            Thread forEver = new Thread(() -> fill(queueIn(request).createAppender(), size, Long.MAX_VALUE));
            forEver.setDaemon(true);
            forEver.start();
        }
        return new Clock(request).answer(new LinkedHashMap<>(), configuration());
    }

    private static Map<String, Object> open(JSONObject request) {
        long started = System.nanoTime();
        try (ChronicleQueue queue = queueIn(request); ExcerptAppender appender = queue.createAppender()) {
            put(appender, Bytes.wrapForRead(Peer.body(request.getIntValue("size"))));
            Map<String, Object> figures = Peer.one("openMs", (System.nanoTime() - started) / 1e6);
            return new Clock(request).answer(figures, configuration());
        }
    }

    private static void fill(ExcerptAppender appender, int size, long bytes) {
        Bytes<?> body = Bytes.wrapForRead(Peer.body(size));
        for (long written = 0; written < bytes; written += size + OVERHEAD_BYTES) {
            put(appender, body);
        }
    }

    private static void put(ExcerptAppender appender, Bytes<?> body) {
        body.readPosition(0);
        appender.writeBytes(body);
    }

    private static ChronicleQueue queueIn(JSONObject request) {
        return ChronicleQueue.single(request.getString("folder"));
    }

    private static String configuration() {
        return "one appender, defaults; length and body, no checksum, one queue";
    }
}
