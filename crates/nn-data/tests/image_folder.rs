//! Folders of images: what is read, and what is refused.

use crate::files;

use std::fs;
use std::path::Path;

use files::Folder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use ndarray::{Array1, ArrayD, Axis, IxDyn};
use nn_data::{DataError, ImageFolder, ImageFolderOptions, Source};

/// 2×3 pixels (height, width), all channels different.
fn colours(seed: u8) -> RgbImage {
    RgbImage::from_fn(3, 2, |x, y| {
        let base = 40 * x as u8 + 100 * y as u8 + seed;
        Rgb([base, base + 1, base + 2])
    })
}

fn save(folder: &Folder, name: &str, image: impl Into<DynamicImage>) {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = if name.to_lowercase().ends_with("png") { ImageFormat::Png } else { ImageFormat::Jpeg };
    image.into().save_with_format(path, format).unwrap();
}

/// Two classes of one and two images, and files that are none.
fn sound() -> Folder {
    let folder = Folder::new("images");
    save(&folder, "dog/b.png", colours(3));
    save(&folder, "dog/a.PNG", colours(2));
    save(&folder, "cat/z.png", colours(1));
    folder.write("dog/notes.txt", b"no image");
    folder.write("cat/.hidden.png", b"no image");
    folder.write("readme.txt", b"no class");
    fs::create_dir(folder.path(".thumbnails")).unwrap();
    folder
}

#[test]
fn classes_and_images_are_in_the_order_of_their_names() {
    let folder = sound();
    let images = ImageFolder::<f64>::open(folder.path("")).unwrap();
    assert_eq!(images.class_names(), ["cat", "dog"]);
    assert_eq!((images.len(), images.input_shape(), images.classes()), (3, &[3, 2, 3][..], Some(2)));
    assert_eq!(images.path(1).unwrap(), folder.path("dog/a.PNG"));
    assert_eq!(images.path(3), None);
    let set = images.load().unwrap();
    assert_eq!(set.labels().unwrap(), [0, 1, 1]);
    for (i, input) in set.inputs().axis_iter(Axis(0)).enumerate() {
        let image = colours(i as u8 + 1);
        for (index, &value) in input.indexed_iter() {
            let pixel = image.get_pixel(index[2] as u32, index[1] as u32);
            assert_eq!(value, f64::from(pixel[index[0]]) / 255.0);
        }
    }
    let (mut x, mut y) = (ArrayD::zeros(IxDyn(&[2, 3, 2, 3])), Array1::zeros(2).into_dyn());
    images.gather(None, &[2, 0], x.view_mut(), y.view_mut()).unwrap();
    assert_eq!(x, set.select(&[2, 0]).unwrap().inputs());
    assert_eq!(y.as_slice().unwrap(), [1.0, 0.0]);
}

#[test]
fn images_become_grey_and_change_their_size() {
    let folder = Folder::new("grey");
    save(&folder, "a/1.png", GrayImage::from_fn(4, 4, |x, _| Luma([if x < 2 { 0 } else { 255 }])));
    save(&folder, "a/2.jpg", RgbImage::from_pixel(8, 6, Rgb([200, 200, 200])));
    save(&folder, "a/3.png", RgbaImage::from_pixel(2, 2, Rgba([51, 51, 51, 7])));
    save(&folder, "a/4.png", image::ImageBuffer::from_pixel(3, 3, Luma([0xffff_u16 / 5])));
    let images: ImageFolder<f32> =
        ImageFolderOptions::new().grey().resize(2, 2).open(folder.path("")).unwrap();
    assert_eq!(images.input_shape(), [1, 2, 2]);
    let set = images.load().unwrap();
    // Halving with a triangle of half-width 2: weights 0.75, 0.75 and 0.25 of 1.75 for the nearest three columns.
    let expected = [[1.0 / 7.0, 6.0 / 7.0], [200.0 / 255.0; 2], [0.2; 2], [0.2; 2]];
    for (input, row) in set.inputs().axis_iter(Axis(0)).zip(expected) {
        for (value, expected) in input.iter().zip(row.iter().cycle()) {
            assert!((value - expected).abs() < 1.5 / 255.0, "{input} {row:?}");
        }
    }
    for i in [2, 3] {
        assert!(set.inputs().index_axis(Axis(0), i).iter().all(|&x| x == 0.2));
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let png = {
        let folder = sound();
        fs::read(folder.path("cat/z.png")).unwrap()
    };
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let table: &[(&str, &[u8], &str)] = &[
        ("dog/c.png", b"", "dog/c.png: not a readable image: "),
        ("dog/c.png", b"GIF89a", "dog/c.png: not a readable image: "),
        ("dog/c.jpg", b"\xff\xd8\xff", "dog/c.jpg: not a readable image: "),
        ("dog/c.png", &png[..png.len() / 2], "dog/c.png: not a readable image: "),
        ("dog/c.png", &png[..20], "dog/c.png: not a readable image: "),
        ("dog/c.png", &huge, "dog/c.png: "),
    ];
    for (name, bytes, expected) in table {
        let folder = sound();
        folder.write(name, bytes);
        let result = ImageFolder::<f32>::open(folder.path(""));
        let message = match result {
            Err(error) => error.to_string(),
            Ok(images) => images.load().unwrap_err().to_string(),
        };
        assert!(message.contains(expected), "{message}\nshould contain: {expected}");
        let resized = ImageFolderOptions::new().resize(2, 2).open::<f32>(folder.path("")).unwrap();
        let sample = (0..4).find(|&i| resized.path(i).unwrap().ends_with(name)).unwrap();
        let (mut x, mut y) = (ArrayD::zeros(IxDyn(&[1, 3, 2, 2])), Array1::zeros(1).into_dyn());
        let error = resized.gather(None, &[sample], x.view_mut(), y.view_mut()).unwrap_err();
        assert!(matches!(error, DataError::Image { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn images_of_mixed_sizes_are_refused_or_made_one_size() {
    let folder = sound();
    save(&folder, "dog/large.png", RgbImage::new(5, 4));
    let message = ImageFolder::<f32>::open(folder.path("")).unwrap_err().to_string();
    let expected = "dog/large.png: expected an image of 2×3 pixels as the first, got 4×5";
    assert!(message.ends_with(expected), "{message}");
    let resized = ImageFolderOptions::new().resize(7, 9).open::<f32>(folder.path("")).unwrap();
    assert_eq!(resized.load().unwrap().inputs().shape(), [4, 3, 7, 9]);
    // An image that changes after the folder was opened.
    let folder = sound();
    let images = ImageFolder::<f32>::open(folder.path("")).unwrap();
    save(&folder, "dog/b.png", RgbImage::new(5, 4));
    let error = images.load().unwrap_err();
    assert!(matches!(error, DataError::ImageSize { expected: (2, 3), got: (4, 5), .. }), "{error}");
}

#[test]
fn folders_without_classes_or_images_are_refused() {
    let open = |path: &Path| ImageFolder::<f32>::open(path).unwrap_err().to_string();
    let folder = Folder::new("empty");
    let message = open(&folder.path("nothing"));
    assert!(message.contains("nothing: cannot be read: "), "{message}");
    let message = open(&folder.path(""));
    assert!(message.ends_with("expected a folder for each class, got none"), "{message}");
    save(&folder, "a/1.png", colours(0));
    fs::create_dir(folder.path("b")).unwrap();
    let message = open(&folder.path(""));
    assert!(message.ends_with("b: expected images that end in .png, .jpg or .jpeg, got none"), "{message}");
    let message =
        ImageFolderOptions::new().resize(0, 3).open::<f32>(folder.path("")).unwrap_err().to_string();
    assert_eq!(message, "images of 0×3 pixels: expected at least 1×1");
}

#[test]
#[should_panic(expected = "gather inputs: sample 3 does not exist, there are 3")]
fn a_sample_that_does_not_exist_panics() {
    let folder = sound();
    let images = ImageFolder::<f32>::open(folder.path("")).unwrap();
    let (mut x, mut y) = (ArrayD::zeros(IxDyn(&[1, 3, 2, 3])), Array1::zeros(1).into_dyn());
    let _ = images.gather(None, &[3], x.view_mut(), y.view_mut());
}
