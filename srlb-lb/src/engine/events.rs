//! What the engine counts besides drops.

daemon::counters! {
    /// Something that happened, for `status`.
    pub enum Event {
        Received = "received", "packets taken in";
        Transmitted = "transmitted", "packets sent on or answered";
        Hunted = "hunted", "SYNs offered to the candidates of their bucket";
        HuntedAgain = "hunted_again", "SYNs that a server returned, offered anew";
        Reordered = "reordered", "SYNs seen again and offered to another candidate first";
        HuntedUnhealthy = "hunted_unhealthy", "SYNs whose candidates are all thought to be out of reach";
        Opened = "opened", "datagrams without an entry, sent along the recovery list and to the candidates";
        OpenedAgain = "opened_again", "of these, sent another way round because nobody had answered the last one";
        OpenedNext = "opened_next", "datagrams without an entry, sent along a further chunk of the recovery list";
        FragmentsSteered = "fragments_steered", "fragments sent to the server of their flow's entry";
        Steered = "steered", "client packets sent to the server of their entry";
        Recovered = "recovered", "client packets without an entry sent along the recovery list";
        RecoveredNext = "recovered_next", "client packets sent along a further chunk of the recovery list";
        Pinned = "pinned", "entries made or moved by createStickiness";
        Closed = "closed", "entries closed by removeStickiness";
        Returned = "returned", "client packets that a server sent back because the flow is not its own";
        Evicted = "evicted", "entries that had to make room";
        EchoAnswered = "echo_answered", "echo requests answered";
        ErrorsForwarded = "errors_forwarded", "ICMPv6 errors sent to the owner of their flow";
        TooBigSent = "too_big_sent", "Packet Too Big sent to clients";
        TimeExceededSent = "time_exceeded_sent", "Time Exceeded sent to clients";
        ParameterProblemSent = "parameter_problem_sent", "Parameter Problem sent about Segment Routing Headers";
        ProbesSent = "probes_sent", "echo requests sent to suspect servers";
        Revived = "revived", "suspect or dead servers that have spoken again";
    }
}
