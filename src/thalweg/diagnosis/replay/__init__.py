"""Running looks again: the same operations on the same data, with one thing changed."""

from thalweg.diagnosis.replay.deep import Deep as Deep
from thalweg.diagnosis.replay.deep import deeply as deeply
from thalweg.diagnosis.replay.held import Held as Held
from thalweg.diagnosis.replay.held import held as held
from thalweg.diagnosis.replay.play import CannotPlay as CannotPlay
from thalweg.diagnosis.replay.play import can_play as can_play
from thalweg.diagnosis.replay.play import given_values as given_values
from thalweg.diagnosis.replay.play import learned_values as learned_values
from thalweg.diagnosis.replay.play import leaves as leaves
from thalweg.diagnosis.replay.play import needed as needed
from thalweg.diagnosis.replay.play import play as play
from thalweg.diagnosis.replay.rerun import fresh as fresh
from thalweg.diagnosis.replay.rerun import loss_of as loss_of
from thalweg.diagnosis.replay.rerun import losses_of as losses_of
from thalweg.diagnosis.replay.rerun import playable as playable
from thalweg.diagnosis.replay.rerun import rerun as rerun
