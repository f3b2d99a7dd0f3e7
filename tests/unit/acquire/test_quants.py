"""What quantizations are worth: the order, and what is not in the table."""

import pytest

from paddock.acquire.quants import TABLE, expected_loss, quality, spelled_out

BEST_TO_WORST = [
    *("F16", "Q8_0", "Q6_K", "UD-Q5_K_M", "Q5_K_M", "Q5_K_S", "UD-Q4_K_XL", "Q4_K_M", "Q4_K_S"),
    *("IQ4_XS", "Q4_0", "Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_XXS", "UD-Q2_K_XL", "Q2_K", "IQ2_XXS"),
    *("IQ1_M", "IQ1_S"),
]


def test_the_order():
    losses = [expected_loss(quant) for quant in BEST_TO_WORST]
    assert losses == sorted(losses)


def test_the_table_goes_from_the_best_to_the_worst():
    losses = [one.loss for one in TABLE.values()]
    assert losses[:24] == sorted(losses[:24])
    assert all(one.words for one in TABLE.values())


@pytest.mark.parametrize(
    ("larger", "plain"),
    [
        ("Q4_K_L", "Q4_K_M"),
        ("Q3_K_XL", "Q3_K_L"),
        ("Q6_K_L", "Q6_K"),
        ("UD-Q8_K_XL", "Q8_0"),
        ("UD-IQ2_M", "IQ2_M"),
        ("Q2_K_L", "Q2_K"),
    ],
)
def test_a_careful_recipe_is_a_little_better_than_the_plain_one(larger, plain):
    assert 0.4 * quality(plain).loss < quality(larger).loss < quality(plain).loss
    assert quality(larger).words == quality(plain).words


def test_short_names_mean_the_usual_ones():
    assert spelled_out("Q4_K") == "Q4_K_M"
    assert spelled_out("UD-Q4_K") == "UD-Q4_K_M"
    assert spelled_out("Q6_K") == "Q6_K"
    assert quality("Q4_K") == quality("Q4_K_M")


def test_an_unknown_name_is_placed_by_its_bits():
    assert quality("Q8_0").loss < quality("MADE_UP", 7.0).loss < quality("Q6_K").loss
    assert quality("", 4.89).loss == pytest.approx(quality("Q4_K_M").loss)
    assert quality("", 0.5).loss == quality("IQ1_S").loss
    assert quality("", 90.0).loss == pytest.approx(quality("F16").loss)
    assert quality("").words == ""


def test_small_models_and_slow_machines_rank_few_bits_lower():
    plain = expected_loss("IQ2_M", parameters=70_000_000_000)
    assert expected_loss("IQ2_M", parameters=8_000_000_000) == pytest.approx(1.5 * plain)
    assert expected_loss("IQ2_M", parameters=70_000_000_000, slow_low_bits=True) > plain
    assert expected_loss("IQ4_XS", slow_low_bits=True) == expected_loss("IQ4_XS")
    assert expected_loss("Q2_K", slow_low_bits=True) == expected_loss("Q2_K")
