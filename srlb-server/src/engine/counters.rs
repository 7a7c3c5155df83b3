//! What the engine counts besides drops.

daemon::counters! {
    /// Something that happened, for `status`.
    pub enum Event {
        Received = "received", "packets taken in";
        Transmitted = "transmitted", "packets sent on or answered";
        Delivered = "delivered", "packets given to the application's kernel";
        AcceptedAvail = "accepted_avail", "new flows taken that could have been refused (connectAvail)";
        AcceptedForce = "accepted_force", "new flows taken as the last candidate (connectForce)";
        AcceptedFinal = "accepted_final", "new flows taken at the end of a second hunt (connectFinal)";
        SynAgain = "syn_again", "SYNs of flows that were here already";
        PassedOn = "passed_on", "new flows passed on to the next candidate";
        PassedOnDown = "passed_on_down", "of these because the application is down";
        Returned = "returned", "client packets sent back to the LB because the flow is not ours";
        Recovered = "recovered", "client packets of a recovery that were ours";
        RecoveryPassedOn = "recovery_passed_on", "client packets of a recovery passed on to the next server";
        RecoverNextSent = "recover_next_sent", "client packets at the end of a recovery chunk, sent back to the LB";
        GuessesRefuted = "guesses_refuted", "of the recovered ones, those that our kernel's answer showed not to be ours: passed on after all";
        OwnerNotFound = "owner_not_found", "client packets that nobody owns, given to our kernel for its RST";
        Created = "created", "createStickiness sent";
        Removed = "removed", "removeStickiness sent";
        Straight = "straight", "packets of the application sent straight to the client";
        BudgetSpent = "budget_spent", "packets sent straight because enough others were steered";
        EmptyAcks = "empty_acks", "functions that rode on an empty ACK because the packet was too long";
        Lost = "lost", "flows that another server won";
        Evicted = "evicted", "entries that had to make room";
        LookUps = "look_ups", "questions to the kernel's sockets";
        MssClamped = "mss_clamped", "SYN-ACKs whose MSS was lowered";
        ErrorsDelivered = "errors_delivered", "ICMPv6 errors about our flows given to our kernel";
        EchoAnswered = "echo_answered", "echo requests to our SIDs answered";
        ParameterProblemSent = "parameter_problem_sent", "Parameter Problem sent about Segment Routing Headers";
        TimeExceededSent = "time_exceeded_sent", "Time Exceeded sent";
        UdpTaken = "udp_taken", "new UDP flows taken";
        UdpFound = "udp_found", "datagrams without a pin whose flow was here already";
        UdpRefused = "udp_refused", "datagrams that nobody listens for, given to our kernel for its error";
        UdpTooLong = "udp_too_long", "answers too long for the header, sent straight: the LB was not told";
        UdpEvicted = "udp_evicted", "UDP flows that had to make room";
        FragmentsDelivered = "fragments_delivered", "fragments given to the application's kernel";
    }
}
