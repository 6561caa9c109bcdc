"""Networks answer as their publisher's interpreter does, whatever OpenCV calls their outputs."""

import threading

import cv2
import numpy as np
import pytest

from flow3d import model_files
from flow3d.model_files import find, known
from flow3d.perception import networks
from flow3d.perception.networks import SHAPES, Network, network, probed
from tolerances import NETWORKS_OF_OTHERS

LANDMARKS = "face/face_landmarks_detector.tflite"


def content(place: str) -> bytes:
    return find(known(place)).read_bytes()


@pytest.mark.parametrize("place", SHAPES)
def test_the_numbers_are_those_of_another_interpreter(place):
    """The recorded ones are LiteRT's; OpenCV came within the limit in every version from 4.13 to 5.0."""
    shape = SHAPES[place]
    found = network(place)(shape.probe())
    assert [output.shape for output in found] == list(shape.outputs)
    for output, answer in zip(found, shape.answers, strict=True):
        np.testing.assert_allclose(probed(output), answer, rtol=0, atol=NETWORKS_OF_OTHERS["probe"][0])


@pytest.mark.parametrize("place", SHAPES)
def test_a_network_is_read_once(place):
    assert network(place) is network(place)


class Renamed:
    """A network of OpenCV whose outputs have other names, listed in another way."""

    def __init__(self, net, listed):
        self.net, self.listed = net, listed
        own = [*net.getUnconnectedOutLayersNames(), *reversed(net.getLayerNames())]
        self.names = {f"x{k}": name for k, name in enumerate(dict.fromkeys(own))}

    def setInput(self, values):
        self.net.setInput(values)

    def getUnconnectedOutLayersNames(self):
        return list(self.names)[: self.listed]

    def getLayerNames(self):
        return list(reversed(self.names))

    def forward(self, name):
        return self.net.forward(self.names[name])


@pytest.mark.parametrize("listed", [0, 1, 3])
def test_outputs_are_known_by_their_shape_and_not_by_their_name(monkeypatch, listed):
    read = cv2.dnn.readNetFromTFLite
    monkeypatch.setattr(cv2.dnn, "readNetFromTFLite", lambda buffer: Renamed(read(buffer), listed))
    (points,) = Network(content(LANDMARKS), "renamed", SHAPES[LANDMARKS])(SHAPES[LANDMARKS].probe())
    np.testing.assert_array_equal(points, network(LANDMARKS)(SHAPES[LANDMARKS].probe())[0])


def test_wrong_numbers_are_noticed(monkeypatch):
    """As from an OpenCV that reads the file, and computes something else."""
    read = cv2.dnn.readNetFromTFLite

    class Wrong(Renamed):
        def forward(self, name):
            return super().forward(name) * np.float32(1.05)

    monkeypatch.setattr(cv2.dnn, "readNetFromTFLite", lambda buffer: Wrong(read(buffer), 3))
    with pytest.raises(
        ValueError, match=r"face\.tflite: expected .* for the probe, got .*OpenCV .* computes it wrongly"
    ):
        Network(content(LANDMARKS), "face.tflite", SHAPES[LANDMARKS])


@pytest.mark.parametrize("kind", ["empty", "text", "half", "another network"])
def test_what_is_no_such_network_is_refused_by_name(kind, capfd):
    damaged = {
        "empty": b"",
        "text": b"no network" * 99,
        "half": content(LANDMARKS)[:1_000_000],
        "another network": content("face/face_blendshapes.tflite"),
    }[kind]
    with pytest.raises(ValueError, match=r"^face\.tflite: expected "):
        Network(damaged, "face.tflite", SHAPES[LANDMARKS])
    assert capfd.readouterr() == ("", "")  # OpenCV prints nothing of its own


def test_an_input_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"values: OpenCV .* cannot run the network"):
        network(LANDMARKS)(np.zeros((1, 7, 256, 256), np.float32))
    assert len(network(LANDMARKS)(SHAPES[LANDMARKS].probe())) == 1  # and it still runs


def test_only_the_wanted_outputs_are_computed():
    place = "face/face_detector.tflite"
    probe = SHAPES[place].probe()
    both = network(place)(probe)
    (scores,) = network(place)(probe, (1,))
    np.testing.assert_array_equal(scores, both[1])


def test_threads_take_turns():
    """A network keeps its input between two calls, so that two threads at once would mix them up."""
    place = "face/face_detector.tflite"
    pictures = [SHAPES[place].probe() * factor for factor in (1, 0.7, 0.4, 0.1)]
    alone = [network(place)(picture) for picture in pictures]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(5):
            found = network(place)(pictures[k])
            if not all(np.array_equal(a, b) for a, b in zip(found, alone[k], strict=True)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_missing_file_says_how_to_take_one_in(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOW3D_HOME", str(tmp_path))
    monkeypatch.setattr(model_files.assets, "roots", lambda: [tmp_path])
    networks._network.cache_clear()
    try:
        with pytest.raises(FileNotFoundError, match=r"face_landmarks_detector\.tflite: .*flow3d models FILE"):
            network(LANDMARKS)
    finally:
        networks._network.cache_clear()
