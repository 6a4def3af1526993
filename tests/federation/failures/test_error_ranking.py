"""Of several losses that sites report, the client names the peer whose own channel is lost too."""

from federation.errors import PolicyRefusedError
from federation.protocol.channel_pool import highest_ranked
from smpc.errors import PartyLostError


def test_a_report_that_the_clients_own_channel_confirms_comes_first():
    errors = {
        "anna": PartyLostError(name="dealer"),
        "bert": PartyLostError(name="cora"),
        "cora": PartyLostError(name="cora"),
    }
    assert highest_ranked(errors).name == "cora"


def test_a_refusal_comes_before_any_loss_and_a_report_before_silence():
    refusal = PolicyRefusedError(site="bert", rule="largest_epsilon: at most 1")
    assert highest_ranked({"anna": PartyLostError(name="anna"), "bert": refusal}) is refusal
    reported = PartyLostError(name="dealer")
    assert highest_ranked({"anna": reported, "bert": PartyLostError(name="bert")}) is reported
